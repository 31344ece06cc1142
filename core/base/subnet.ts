// A range of addresses that share their first bits (RFC 4632, RFC 4291 section 2.3).
import type { Address } from "./address.ts";
import type { Ipv4 } from "./ipv4.ts";

/** 10.2.0.1/24 is { address: 10.2.0.1, prefixLength: 24 }; the bits beyond the prefix do not count. */
export interface Subnet<A extends Address = Ipv4> {
  readonly address: A;
  /** 0 to the bits of an address, 32 or 128; 0 holds every address. */
  readonly prefixLength: number;
}

/** Whether `one` is among the subnet's addresses. */
export const inSubnet = <A extends Address>(subnet: Subnet<A>, one: A): boolean => holds(subnet, one);

function holds({ address, prefixLength }: Subnet<Address>, one: Address): boolean {
  if (prefixLength === 0) return true;
  if (typeof one === "number" && typeof address === "number")
    return one >>> (32 - prefixLength) === address >>> (32 - prefixLength);
  const beyond = BigInt(128 - prefixLength);
  return BigInt(one) >> beyond === BigInt(address) >> beyond;
}
