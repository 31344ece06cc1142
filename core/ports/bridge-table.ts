import type { Ipv4 } from "../base/ipv4.ts";
import type { Duration } from "../base/time.ts";

/** Only these sources, or all but these; INCLUDE of none is nothing. As RFC 3376 section 2 has it. */
export interface PortFilter {
  readonly mode: "include" | "exclude";
  readonly sources: readonly Ipv4[];
}

/** What a bridge, or one VLAN of it, delivers through which of its ports, ours while it is open. */
export interface BridgeTable {
  /**
   * From now on the port gets this of the group: INCLUDE only these sources, EXCLUDE all but these, INCLUDE({}) nothing. A group that no
   * port gets goes to router ports only, while a querier is known; 224.0.0.0/24 goes to every port.
   */
  set(port: string, group: Ipv4, filter: PortFilter): void;
  /**
   * From now on the port gets nothing of the group, and a report of its hosts does not open it by itself, not even while nobody looks
   * after the bridge, until it is set again. A kernel before 6.2 opens it all the same until it is told this again.
   */
  refuse(port: string, group: Ipv4): void;
  /** Puts back what the bridge has lost by itself, as when a port leaves it and comes back. */
  restore(): void;
  /**
   * Ports that get every group and every report. The `others` get only what is set for them, whatever the bridge itself hears of routers
   * there; on a port in neither it goes by what it hears. Bridges know no routers of single VLANs: a port with a router in one gets every
   * group of all VLANs that it carries.
   */
  routerPorts(routers: readonly string[], others: readonly string[]): void;
  /** Ports behind which the bridge knew a router when it was opened. */
  routersFound(): readonly string[];
  /** Entries of a predecessor that was killed serve until this: those that nobody has set since go. */
  confirm(): void;
  /** What the bridge refused, by name. */
  counts(): Readonly<Record<string, number>>;
  /**
   * Entries go, and with the last table of the bridge every setting is as it was found. Those of a bridge that kept such a table by itself
   * before stay, for as long as it keeps what it has just heard. Tables of other VLANs keep theirs.
   */
  close(): void;
}

/** Which table of a bridge it is to be, and how the bridge is to be kept. */
export interface BridgeTableOptions {
  /** Of this VLAN alone, 1 to 4094; absent: of every frame, whatever its tag. */
  readonly vlan?: number | undefined;
  /**
   * How long no query may come, at least, before the bridge takes it that nobody asks, and floods: in all its VLANs, of whose tables the
   * longest counts; absent: as it is set.
   */
  readonly silence?: Duration | undefined;
}

/** The multicast tables of bridges. Drivers: linux (the kernel's MDB by rtnetlink), simulated. */
export interface BridgeTables {
  /**
   * Throws HalError "bridge.no-bridge" (or none that keeps multicast groups), "bridge.mixed-vlans" (it does not keep VLANs apart, so that
   * it has one table for all), "bridge.permission", "bridge.failed" (file descriptors, memory).
   */
  open(bridge: string, options?: BridgeTableOptions): BridgeTable;
}
