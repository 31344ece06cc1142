/** A packet for the hosts or routers behind one port of a bridge. */
export interface PortPacket {
  readonly bridge: string;
  readonly port: string;
  /** A whole IPv4 packet to a group. */
  readonly packet: Uint8Array;
  /** The tag of 802.1Q that its frame bears; absent: none. */
  readonly vlan?: number;
}

/** Sends out of single ports of bridges, with the bridge's MAC; the bridges themselves do not see it. Drivers: packet (our addon), simulated. */
export interface PortSender {
  /** A port that is gone, down or held back by spanning tree gets nothing, which is counted. */
  send(one: PortPacket): void;
  /** What was not sent, by name. */
  counts(): Readonly<Record<string, number>>;
  close(): void;
}
