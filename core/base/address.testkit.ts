// Addresses of 4 and of 16 octets, for tests of what must not care: the same sentences over both.
import type { Address, AddressFamily, Ipv6 } from "./address.ts";
import { IPV4 } from "./address.ts";
import { address, type Ipv4 } from "./ipv4.ts";

/** The address with these 128 bits. */
const ipv6 = (bits: bigint): Ipv6 => bits as Ipv6;

/** Addresses by their last octet, 1 to 255. */
export interface AddressSample<A extends Address> {
  /** Behind the name of a test: empty for IPv4. */
  readonly suffix: string;
  readonly family: AddressFamily<A>;
  /** 192.0.2.n, the sources of the Linux selftests, or 2001:db8::n (RFC 3849). */
  readonly source: (n: number) => A;
  /** 239.1.1.n, or ff0e::n. */
  readonly group: (n: number) => A;
  /** 232.1.1.n, or ff3e::n (RFC 4607). */
  readonly ssm: (n: number) => A;
  /** 10.0.0.n, or fe80::n. */
  readonly host: (n: number) => A;
}

export const SAMPLE_V4: AddressSample<Ipv4> = {
  suffix: "",
  family: IPV4,
  source: (n) => address(`192.0.2.${n}`),
  group: (n) => address(`239.1.1.${n}`),
  ssm: (n) => address(`232.1.1.${n}`),
  host: (n) => address(`10.0.0.${n}`),
};

// Above 2^53, so that whoever takes one for a number merges neighbours.
export const SAMPLE_V6: AddressSample<Ipv6> = {
  suffix: " (16 octets)",
  family: {
    allNodes: ipv6((0xff02n << 112n) | 1n),
    unspecified: ipv6(0n),
    bits: 128,
    localScope: { group: ipv6(0xff03n << 112n), length: 16 },
    localServices: { group: ipv6((0xff03n << 112n) | 0xc00n), length: 120 },
    isMulticast: (a) => a >> 120n === 0xffn,
    isLinkLocalMulticast: (a) => a >> 112n === 0xff02n,
  },
  source: (n) => ipv6((0x20010db8n << 96n) | BigInt(n)),
  group: (n) => ipv6((0xff0en << 112n) | BigInt(n)),
  ssm: (n) => ipv6((0xff3en << 112n) | BigInt(n)),
  host: (n) => ipv6((0xfe80n << 112n) | BigInt(n)),
};

/** Has the same tests made for both. */
export function overBothFamilies(tests: <A extends Address>(sample: AddressSample<A>) => void): void {
  tests(SAMPLE_V4);
  tests(SAMPLE_V6);
}

/** "1 2 30" for the last octets, ascending. */
export const lastOctets = (addresses: readonly Address[]): string =>
  addresses
    .map((a) => Number(BigInt(a) & 255n))
    .sort((a, b) => a - b)
    .join(" ");
