// Addresses of either family, as tables, filters and machines keep them: they are compared, ordered and looked up, and nothing else is
// known of them. What only a family knows comes from its AddressFamily, which codecs and gates hand in.
import { ALL_SYSTEMS, ANY, type Ipv4, ipv4, isLinkLocalMulticast, isMulticast } from "./ipv4.ts";

declare const ipv6Brand: unique symbol;

/**
 * An IPv6 address, 0 to 2^128-1: 2001:db8::1 is 0x20010db8000000000000000000000001n. A bigint and no string: it orders as its octets do,
 * and is found in a Map in 0.1 µs, as quickly as a string of as many octets that was just read.
 */
export type Ipv6 = bigint & { readonly [ipv6Brand]: true };

/** Equal by ===, ordered by <, a key of a Map. A table holds addresses of one family, which is its type parameter. */
export type Address = Ipv4 | Ipv6;

/**
 * An address in records that leave the process: an IPv4 one as its number, as in the first version of all messages and tables; an IPv6 one
 * as its eight groups in full, "2001:0db8:0000:0000:0000:0000:0000:0001" (RFC 4291 2.2, form 1), so that equal addresses are equal texts,
 * texts order as their octets do, and no column takes one for a number.
 */
export type RecordedAddress = number | string;

/** Groups that share their first bits: of 224.0.0.0/4 the first 4 to 32, of ff00::/8 the first 8 to 128. */
export interface GroupRange<A extends Address> {
  readonly group: A;
  readonly length: number;
}

/** What only a family knows of its addresses. */
export interface AddressFamily<A extends Address> {
  /** The group that all members of the link are in, and that is never reported: 224.0.0.1 (RFC 3376 section 6), ff02::1 (RFC 9777). */
  readonly allNodes: A;
  /** The sender that has no address yet; as a group, all of them (RFC 3376 4.1.9): 0.0.0.0, ::. */
  readonly unspecified: A;
  /** Of an address: 32, 128. */
  readonly bits: number;
  /** Groups that by default leave no site: 239.255.0.0/16, the IPv4 Local Scope, whose boundary is the smallest there can be (RFC 2365 6.1). */
  readonly localScope: GroupRange<A>;
  /** Of these, the services of the LAN, such as SSDP and SLP: 239.255.255.0/24 (RFC 2365 section 9). */
  readonly localServices: GroupRange<A>;
  isMulticast(a: A): boolean;
  /** A group whose traffic stays on its link: 224.0.0.0/24 (RFC 5771 section 4), ff02::/16 (RFC 4291 2.7). */
  isLinkLocalMulticast(a: A): boolean;
}

/** IPv4: IGMP. */
export const IPV4: AddressFamily<Ipv4> = {
  allNodes: ALL_SYSTEMS,
  unspecified: ANY,
  bits: 32,
  localScope: { group: ipv4(0xefff0000), length: 16 },
  localServices: { group: ipv4(0xefffff00), length: 24 },
  isMulticast,
  isLinkLocalMulticast,
};

const NONE_V6 = 0n as Ipv6;

/** 0.0.0.0 or ::, the sender that has no address yet. */
export const isUnspecified = (a: Address): boolean => a === ANY || a === NONE_V6;

/** For sort: ascending as the octets do. No subtraction, which bigints would not survive. */
export const ascending = (a: Address, b: Address): number => (a < b ? -1 : a > b ? 1 : 0);
