// A range of IPv4 addresses that share their first bits (RFC 4632).
import type { Ipv4 } from "./ipv4.ts";

/** 10.2.0.1/24 is { address: 10.2.0.1, prefixLength: 24 }; the bits beyond the prefix do not count. */
export interface Subnet {
  readonly address: Ipv4;
  /** 0 to 32; 0 holds every address. */
  readonly prefixLength: number;
}

/** Whether `one` is among the subnet's addresses. */
export const inSubnet = ({ address, prefixLength }: Subnet, one: Ipv4): boolean =>
  prefixLength === 0 || one >>> (32 - prefixLength) === address >>> (32 - prefixLength);
