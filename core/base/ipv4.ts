// IPv4 addresses as unsigned 32-bit numbers, in host order, so that sets and comparisons are plain.

declare const ipv4Brand: unique symbol;

/** An IPv4 address, 0 to 2^32-1: 192.0.2.1 is 0xc0000201. */
export type Ipv4 = number & { readonly [ipv4Brand]: true };

/** The address with these 32 bits. */
export const ipv4 = (value: number): Ipv4 => (value >>> 0) as Ipv4;

const DOTTED = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;

/** The address that `text` spells in dotted decimal; undefined for anything else. */
export function parseIpv4(text: string): Ipv4 | undefined {
  const parts = DOTTED.exec(text);
  if (parts === null) return undefined;
  let value = 0;
  for (let i = 1; i <= 4; i++) {
    const octet = Number(parts[i]);
    if (octet > 255) return undefined;
    value = value * 256 + octet;
  }
  return value as Ipv4;
}

/** For addresses written in our own code and tests; throws RangeError on a typing mistake. */
export function address(text: string): Ipv4 {
  const parsed = parseIpv4(text);
  if (parsed === undefined) throw new RangeError(`not an IPv4 address: ${text}`);
  return parsed;
}

/** Dotted decimal, as `parseIpv4` reads it. */
export const formatIpv4 = (a: Ipv4): string => `${a >>> 24}.${(a >>> 16) & 255}.${(a >>> 8) & 255}.${a & 255}`;

/** Four octets in network order; those beyond the end read as 0. */
export const readIpv4 = (from: Uint8Array, at: number): Ipv4 =>
  ((((from[at] ?? 0) << 24) | ((from[at + 1] ?? 0) << 16) | ((from[at + 2] ?? 0) << 8) | (from[at + 3] ?? 0)) >>>
    0) as Ipv4;

/** Four octets in network order. */
export function writeIpv4(into: Uint8Array, at: number, a: Ipv4): void {
  into[at] = a >>> 24;
  into[at + 1] = a >>> 16;
  into[at + 2] = a >>> 8;
  into[at + 3] = a;
}

/** 224.0.0.0/4 (RFC 5771). */
export const isMulticast = (a: Ipv4): boolean => a >>> 28 === 0xe;

/** 224.0.0.0/24: never forwarded by a router (RFC 5771 section 4). */
export const isLinkLocalMulticast = (a: Ipv4): boolean => a >>> 8 === 0xe00000;

/** 232.0.0.0/8: source-specific multicast (RFC 4607). */
export const isSourceSpecific = (a: Ipv4): boolean => a >>> 24 === 232;

/** 0.0.0.0: no address yet (RFC 1122 3.2.1.3), every interface, or a General Query's group (RFC 3376 4.1.9). */
export const ANY: Ipv4 = ipv4(0);
/** 224.0.0.1, RFC 3376 section 4.1.12. */
export const ALL_SYSTEMS: Ipv4 = ipv4(0xe0000001);
/** 224.0.0.2, RFC 2236 section 3. */
export const ALL_ROUTERS: Ipv4 = ipv4(0xe0000002);
/** 224.0.0.22, RFC 3376 section 4.2.14. */
export const ALL_IGMPV3_ROUTERS: Ipv4 = ipv4(0xe0000016);
