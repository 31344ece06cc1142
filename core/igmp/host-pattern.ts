// Which hosts an entry of the configuration means: by address, or by card.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { inSubnet, type Subnet } from "../base/subnet.ts";

/** A host by its address, or by its card: "02:00:00:00:00:01", or the first octets of it, such as a maker's three. */
export type HostPattern<A extends Address = Ipv4> =
  | { readonly kind: "subnet"; readonly subnet: Subnet<A> }
  | { readonly kind: "mac"; readonly mac: string };

/** What of a host a pattern looks at; no MAC is "". */
interface PatternedHost<A extends Address = Ipv4> {
  readonly address: A;
  readonly mac: string;
}

/** Whether the host is meant; one whose MAC is not known is by no MAC. */
export function isMeant<A extends Address>(pattern: HostPattern<A>, { address, mac }: PatternedHost<A>): boolean {
  switch (pattern.kind) {
    case "subnet":
      return inSubnet(pattern.subnet, address);
    case "mac":
      return mac === pattern.mac || mac.startsWith(`${pattern.mac}:`);
  }
}
