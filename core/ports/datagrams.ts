import type { Ipv4 } from "../base/ipv4.ts";
import type { HalError } from "./errors.ts";

/**
 * An interface of this machine: one of its addresses, or its name, which is the interface's first address at the moment of use.
 * 0.0.0.0 leaves the choice to the kernel.
 */
export type InterfaceChoice = Ipv4 | string;

/** Any-source without `source`, source-specific with it. */
export interface Membership {
  readonly group: Ipv4;
  readonly source?: Ipv4;
  readonly interfaceAddress: InterfaceChoice;
}

/** What the owner of a socket hears. */
export interface DatagramListener {
  /** One datagram's payload, in a buffer the receiver may write (decryption happens in place), valid during the call. */
  datagram(payload: Uint8Array, from: Ipv4, fromPort: number): void;
  failed(error: HalError): void;
}

/** One bound UDP socket. */
export interface DatagramSocket {
  readonly port: number;
  /** Joins or leaves through the host's own IGMP (kernel membership). Throws HalError "datagram.membership". */
  join(membership: Membership): void;
  leave(membership: Membership): void;
  /**
   * Queues one datagram. The payload must stay as it is until `sent` is called; senders keep a ring of buffers.
   * A failure to send is counted by the driver and told to `sent`.
   */
  send(payload: Uint8Array, to: Ipv4, toPort: number, sent?: (error?: HalError) => void): void;
  /**
   * Datagrams that have come and found no room in the kernel's queue, since it was opened; never falls. undefined where the driver cannot
   * tell. For status, not for every packet.
   */
  overflows(): number | undefined;
  close(): void;
}

/** How a socket is bound. */
export interface DatagramOptions {
  /**
   * Local address; 0.0.0.0 for all. A multicast receiver binds to the group so that it hears only that group, and it only while
   * it is a member for the sender.
   */
  readonly address: Ipv4;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** Let several sockets on this host share the address and port (every one hears each multicast datagram). */
  readonly reuse?: boolean;
  /** Outgoing multicast: interface, TTL (default 1), and whether local members hear it (default true). */
  readonly multicast?: {
    readonly interfaceAddress: InterfaceChoice;
    readonly ttl?: number;
    readonly loopback?: boolean;
  };
  /** SO_RCVBUF request in octets. */
  readonly receiveBuffer?: number;
}

/** UDP. Drivers: native (our addon, in batches), node (node:dgram), simulated. */
export interface Datagrams {
  /** Rejects with HalError "datagram.in-use", "datagram.permission", "datagram.address". */
  open(options: DatagramOptions, listener: DatagramListener): Promise<DatagramSocket>;
}
