import type { Ipv4 } from "../base/ipv4.ts";
import type { Subnet } from "../base/subnet.ts";

/**
 * How a port of a bridge carries one VLAN (IEEE 802.1Q 6.9, 8.8). A frame with the VLAN's tag is of it wherever it comes in by a port that
 * carries it.
 */
export interface PortVlan {
  /** A frame without a tag that comes in there is of this VLAN. */
  readonly pvid: boolean;
  /** Its frames go out there without a tag. */
  readonly untagged: boolean;
}

/** One network interface as the machine has it now. */
export interface Link {
  readonly name: string;
  readonly index: number;
  readonly up: boolean;
  readonly addresses: readonly Subnet[];
  /** Octets of the largest packet, at least 68; absent where that is not known. */
  readonly mtu?: number;
  /** Bridge ports when this is a bridge, or those that carry its VLAN when it is a VLAN of a bridge; else empty. */
  readonly ports: readonly string[];
  /**
   * Its identifier, 1 to 4094, when this is a VLAN of another interface, or a bridge that keeps VLANs apart and gives what it sends itself
   * this one; absent where that is not known.
   */
  readonly vlan?: number;
  /** Of a VLAN of a bridge, that bridge. */
  readonly bridge?: string;
  /** How each of the ports carries the VLAN; absent where there is none, or nobody can tell. */
  readonly portVlans?: Readonly<Record<string, PortVlan>>;
  /** Of a bridge, or a VLAN of one, a text that differs when a port has begun or ceased to forward, or its spanning tree says that something changed. */
  readonly topology?: string;
  /** Of a bridge, or a VLAN of one: whether the bridge keeps groups from ports behind which it has heard nobody ask. */
  readonly snoops?: boolean;
}

/** Interfaces that come and go. Drivers: linux, simulated. */
export interface Links {
  /** undefined when there is no such interface. */
  get(name: string): Link | undefined;
  /** Every interface there is. */
  list(): readonly Link[];
  /**
   * Calls `changed` with all links at every change of any link or address of the machine, and perhaps once at first: what changed
   * and changed back while the watch began is not missed so. Returns the way to stop.
   */
  changes(changed: (links: readonly Link[]) => void): () => void;
  /** The same for each of the links named, and no other. */
  watch(names: readonly string[], changed: (name: string, link: Link | undefined) => void): () => void;
  /** MAC of a neighbour on a link as the kernel's table has it, "aa:bb:cc:dd:ee:ff". */
  neighbour(interfaceName: string, address: Ipv4): string | undefined;
}
