import type { Ipv4 } from "../base/ipv4.ts";
import type { Subnet } from "../base/subnet.ts";

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
  /** Its identifier when this is a VLAN of another interface, 1 to 4094; absent where that is not known. */
  readonly vlan?: number;
  /** Of a bridge a text that differs when a port has begun or ceased to forward, or its spanning tree says that something changed. */
  readonly topology?: string;
  /** Of a bridge: whether it keeps groups from ports behind which it has heard nobody ask. */
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
