// The IPv4 header around an IGMP message: the gate, the readers it makes safe, and the header that we send (RFC 3376 section 4).
import { readUint16, writeUint16 } from "../../base/bytes.ts";
import { internetChecksum } from "../../base/checksum.ts";
import { type Ipv4, readIpv4, writeIpv4 } from "../../base/ipv4.ts";

const VERSION_IHL = 0;
const TOS = 1;
const TOTAL_LENGTH = 2;
const IDENTIFICATION = 4;
const FRAGMENT = 6;
const TTL = 8;
const PROTOCOL = 9;
const CHECKSUM = 10;
const SOURCE = 12;
const DESTINATION = 16;
const OPTIONS = 20;

const PROTOCOL_IGMP = 2;
const MORE_FRAGMENTS_AND_OFFSET = 0x3fff;
const INTERNETWORK_CONTROL = 0xc0;

const OPTION_END = 0;
const OPTION_NOOP = 1;
const OPTION_ROUTER_ALERT = 148;

/** The header we write: 20 octets and the Router Alert option (RFC 2113). */
export const HEADER_LENGTH = 24;

/** Octets of the largest packet on Ethernet. */
export const ETHERNET_MTU = 1500;

/**
 * What a checksum is worth that is wrong, but that the link layer vouches for or has still to fill in. "verify": nothing. "link": the
 * message counts.
 */
export type ChecksumMode = "verify" | "link";

/** Why these octets are no IPv4 packet with IGMP that a router would take (RFC 791, RFC 1122 3.2.1). */
export type IpDrop =
  | "ip.truncated"
  | "ip.version"
  | "ip.header-length"
  | "ip.total-length"
  | "ip.not-igmp"
  | "ip.checksum"
  /** 0x0000: the sender's card was to fill it in. */
  | "ip.checksum-unfilled"
  | "ip.fragment"
  | "ip.source";

/**
 * The reason to drop `bytes`, or undefined: then every reader below is safe. Octets after the total length are link padding.
 * @param vouched given where the link layer vouches for the checksums
 */
export function checkIpHeader(bytes: Uint8Array, vouched?: ChecksumMode): IpDrop | undefined {
  if (bytes.length < OPTIONS) return "ip.truncated";
  if ((bytes[VERSION_IHL] ?? 0) >>> 4 !== 4) return "ip.version";
  const header = headerLength(bytes);
  if (header < OPTIONS) return "ip.header-length";
  if (totalLength(bytes) < header) return "ip.total-length";
  if (bytes.length < totalLength(bytes)) return "ip.truncated";
  if (bytes[PROTOCOL] !== PROTOCOL_IGMP) return "ip.not-igmp";
  const wrong = internetChecksum(bytes, 0, header) === 0 ? undefined : wrongChecksum(bytes, vouched);
  if (wrong !== undefined) return wrong;
  if ((readUint16(bytes, FRAGMENT) & MORE_FRAGMENTS_AND_OFFSET) !== 0) return "ip.fragment";
  // RFC 1122 3.2.1.3: a source is one host's address, or 0.0.0.0 before it has one.
  if ((bytes[SOURCE] ?? 0) >= 224) return "ip.source";
  return undefined;
}

function wrongChecksum(bytes: Uint8Array, vouched: ChecksumMode | undefined): IpDrop | undefined {
  if (vouched === undefined || readUint16(bytes, CHECKSUM) !== 0) return "ip.checksum";
  return vouched === "link" ? undefined : "ip.checksum-unfilled";
}

/** Octets of the header, options included. */
export const headerLength = (bytes: Uint8Array): number => ((bytes[VERSION_IHL] ?? 0) & 0x0f) * 4;
/** Octets of the packet, 20 to 65535. */
export const totalLength = (bytes: Uint8Array): number => readUint16(bytes, TOTAL_LENGTH);
/** The protocol of what it carries. */
export const protocolOf = (bytes: Uint8Array): number => bytes[PROTOCOL] ?? 0;
/** Who sent it. */
export const sourceAddress = (bytes: Uint8Array): Ipv4 => readIpv4(bytes, SOURCE);
/** Hops that it had left, 0 to 255. */
export const timeToLive = (bytes: Uint8Array): number => bytes[TTL] ?? 0;
/** Where it was sent. */
export const destinationAddress = (bytes: Uint8Array): Ipv4 => readIpv4(bytes, DESTINATION);

/** Whether the Router Alert option (RFC 2113) is there. Options that make no sense end the search. */
export function hasRouterAlert(bytes: Uint8Array): boolean {
  const end = headerLength(bytes);
  let at = OPTIONS;
  while (at < end) {
    const option = bytes[at] ?? OPTION_END;
    if (option === OPTION_ROUTER_ALERT) return at + 4 <= end && bytes[at + 1] === 4;
    if (option === OPTION_END) return false;
    const length = option === OPTION_NOOP ? 1 : (bytes[at + 1] ?? 0);
    if (option !== OPTION_NOOP && length < 2) return false;
    at += length;
  }
  return false;
}

/** Writes the 24 octets of header: TTL 1, TOS 0xc0, Router Alert. The whole packet is `into`. */
export function writeIpHeader(into: Uint8Array, source: Ipv4, destination: Ipv4): void {
  into[VERSION_IHL] = 0x40 | (HEADER_LENGTH / 4);
  into[TOS] = INTERNETWORK_CONTROL;
  writeUint16(into, TOTAL_LENGTH, into.length);
  writeUint16(into, IDENTIFICATION, 0);
  writeUint16(into, FRAGMENT, 0);
  into[TTL] = 1;
  into[PROTOCOL] = PROTOCOL_IGMP;
  writeUint16(into, CHECKSUM, 0);
  writeIpv4(into, SOURCE, source);
  writeIpv4(into, DESTINATION, destination);
  into[OPTIONS] = OPTION_ROUTER_ALERT;
  into[OPTIONS + 1] = 4;
  writeUint16(into, OPTIONS + 2, 0);
  writeUint16(into, CHECKSUM, internetChecksum(into, 0, HEADER_LENGTH));
}
