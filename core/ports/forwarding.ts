import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { HalError } from "./errors.ts";

/** One entry of the multicast forwarding cache: what arrives from `source` for `group` on `inbound` leaves on each of `outbound`. */
export interface MulticastRoute<A extends Address = Ipv4> {
  readonly source: A;
  readonly group: A;
  readonly inbound: string;
  readonly outbound: readonly string[];
}

/** What the kernel asks and tells. */
export interface ForwardingListener {
  /** A packet of (source, group) came in on `inbound` and there is no entry (the kernel's NOCACHE upcall). */
  noRoute(source: Ipv4, group: Ipv4, inbound: string): void;
  /** It came in on one of the entry's outbound interfaces (WRONGVIF), told at a limited rate. */
  wrongInterface(source: Ipv4, group: Ipv4, inbound: string): void;
  /**
   * IGMP that only the multicast routing socket hears: without Router Alert, to a group outside 224.0.0.0/24 that nobody here
   * joined. A whole IPv4 packet, of which nobody knows the interface. Only the driver on raw-socket tells; see
   * IgmpSockets.hearsUnjoined.
   */
  igmp(packet: Uint8Array): void;
  failed(error: HalError): void;
}

/** What has gone over one entry since it was made. */
export interface RouteUse<A extends Address = Ipv4> {
  readonly source: A;
  readonly group: A;
  /** Arrivals on the route's inbound interface. */
  readonly packets: number;
  readonly bytes: number;
  /** Arrivals on any other interface, which went nowhere. */
  readonly wrong: number;
}

/** The kernel's multicast forwarding cache, ours while it is open. */
export interface ForwardingTable {
  /** Makes an interface part of multicast routing; the order of calls does not matter. Throws HalError "mroute.add-vif". */
  addInterface(name: string): void;
  removeInterface(name: string): void;
  /** Adds or replaces. An empty `outbound` is a negative entry: it keeps the kernel from asking again. */
  set(route: MulticastRoute): void;
  /**
   * Whoever asks for the group of this route, which has been set or inherited, gets it on these interfaces, until the route is set or
   * removed. A driver that sees a host's report may let the stream leave there before anybody is told of the report, and takes it back
   * when nothing is set then. The first such report on each interface only; many drivers see none.
   */
  prepare(route: MulticastRoute, interfaces: readonly string[]): void;
  remove(source: Ipv4, group: Ipv4): void;
  /** What a predecessor left, as it was when this table was opened: it goes on until it is set or removed. Empty after a fresh start. */
  inherited(): readonly MulticastRoute[];
  /** Counters of all entries, to expire idle ones. */
  use(): readonly RouteUse[];
  /** Upcalls that the kernel threw away because nobody read them in time; undefined where the driver cannot tell. */
  dropped(): number | undefined;
  /** What the driver dropped or was refused, by name. */
  counts(): Readonly<Record<string, number>>;
  /**
   * Ends without an end: the entries forward on for a while, and who opens next takes them over. When nobody has by then, they go and
   * the driver has done what `farewell` says, one line. False where the driver can leave nothing, or does not now: all is as it was.
   */
  handOver(farewell: () => string): boolean;
  /** Hands multicast routing back to the kernel; every entry goes. After `handOver`: what was left goes, without a farewell. */
  close(): void;
}

/** Multicast routing. Drivers: linux (MRT_* through our addon or raw-socket), relay (each packet through this process), simulated. */
export interface Forwarding {
  /**
   * Throws HalError "mroute.in-use" (another daemon holds it), "mroute.permission", "mroute.unsupported" (by this kernel),
   * "mroute.open-failed" (file descriptors, memory, a flood), "mroute.native-missing".
   */
  open(listener: ForwardingListener): ForwardingTable;
}
