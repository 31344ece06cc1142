import type { HalError } from "./errors.ts";

/** What is known of a packet besides its octets. */
export interface Arrival {
  /** The sender's at the link layer, "02:00:00:00:00:01"; absent where the link has none or the driver does not know. */
  readonly mac?: string;
  /** The link vouches for the message's checksum, or has still to fill it in: the octets may hold none. */
  readonly vouched?: boolean;
  /** It came in a frame to this machine's card alone: nobody else on the link has heard it. */
  readonly unicast?: boolean;
}

/** What the owner of a socket hears. */
export interface IgmpListener {
  /** A whole IPv4 packet, header included. The bytes are the driver's: read them during the call, copy what you keep. */
  packet(packet: Uint8Array, from: Arrival): void;
  /** The socket is gone (interface removed, ENETDOWN that lasts); the owner opens it again when the link is back. */
  failed(error: HalError): void;
}

/** IGMP on one interface until it is closed. */
export interface IgmpSocket {
  readonly interfaceName: string;
  /** Sends a whole IPv4 packet (header, Router Alert and checksum made by core/igmp) out of this interface. */
  send(packet: Uint8Array): void;
  /** How many packets the kernel has thrown away because the socket's queue was full; undefined where the driver cannot tell. */
  dropped(): number | undefined;
  close(): void;
}

/** Raw IGMP, one socket an interface. Hears its own interface only, from the first packet on, and not what it sent itself. Drivers: packet (our addon), raw (raw-socket), simulated. */
export interface IgmpSockets {
  /** Whether v1 and v2 messages without Router Alert to groups that nobody here joined are heard, and their interface known. */
  readonly hearsUnjoined: boolean;
  /** Throws HalError "igmp.permission", "igmp.no-interface", "igmp.open-failed" (file descriptors, memory, a flood), "igmp.native-missing". */
  open(interfaceName: string, listener: IgmpListener): IgmpSocket;
}
