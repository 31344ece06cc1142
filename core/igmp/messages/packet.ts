// The one gate for IGMP: a whole IPv4 packet becomes an IgmpPacket, whose readers need no further test, or a named drop.
import { readUint16 } from "../../base/bytes.ts";
import { internetChecksum } from "../../base/checksum.ts";
import { ANY, type Ipv4, isMulticast, readIpv4 } from "../../base/ipv4.ts";
import {
  type ChecksumMode,
  checkIpHeader,
  headerLength,
  type IpDrop,
  sourceAddress,
  totalLength,
} from "./ip-header.ts";
import {
  AUX_LENGTH,
  GROUP,
  MAX_RESPONSE,
  QUERY_SOURCE_COUNT,
  QUERY_SOURCES,
  RECORD_COUNT,
  RECORD_HEADER,
  RECORD_SOURCE_COUNT,
  RECORDS,
  SHORT_MESSAGE,
  TYPE,
  TYPE_OCTET,
  V3_QUERY,
} from "./offsets.ts";

/** What a message is, once it has passed the gate. */
export const MESSAGE_KINDS = ["v1Query", "v2Query", "v3Query", "v1Report", "v2Report", "v3Report", "leave"] as const;
/** The seven messages of the three versions. */
export type MessageKind = (typeof MESSAGE_KINDS)[number];

/** Why a packet is no IGMP message; each is counted under its name. */
export type IgmpDrop =
  | IpDrop
  | "igmp.truncated"
  | "igmp.checksum"
  /** Wrong, but the link layer vouches for it: the sender's card was to fill it in. */
  | "igmp.checksum-unfilled"
  | "igmp.unknown-type"
  | "igmp.query-length"
  | "igmp.query-truncated"
  | "igmp.query-sources"
  | "igmp.record-truncated"
  | "igmp.group-not-multicast";

/** A packet that passed `checkPacket`. `bytes` is the caller's buffer, read in place. */
export interface IgmpPacket {
  readonly kind: MessageKind;
  readonly bytes: Uint8Array;
  /** Where the IGMP message begins and ends in `bytes`. */
  readonly start: number;
  readonly end: number;
  /** Taken with a wrong checksum, for which the link layer vouches. */
  readonly unfilled: boolean;
}

/**
 * The gate (RFC 3376 section 4, RFC 2236 section 2). Checksums first: a broken message says nothing.
 * @param vouched given where the link layer vouches for the checksums
 */
export function checkPacket(bytes: Uint8Array, vouched?: ChecksumMode): IgmpPacket | IgmpDrop {
  const drop = checkIpHeader(bytes, vouched);
  if (drop !== undefined) return drop;
  const start = headerLength(bytes);
  const end = totalLength(bytes);
  if (end - start < SHORT_MESSAGE) return "igmp.truncated";
  const unfilled = internetChecksum(bytes, start, end) !== 0;
  if (unfilled && vouched !== "link") return vouched === undefined ? "igmp.checksum" : "igmp.checksum-unfilled";
  const kind = checkMessage(bytes, start, end);
  return isMessageKind(kind) ? { kind, bytes, start, end, unfilled } : kind;
}

const isMessageKind = (checked: MessageKind | IgmpDrop): checked is MessageKind => !checked.includes(".");

function checkMessage(bytes: Uint8Array, start: number, end: number): MessageKind | IgmpDrop {
  switch (bytes[start + TYPE]) {
    case TYPE_OCTET.query:
      return checkQuery(bytes, start, end);
    case TYPE_OCTET.v1Report:
      return checkShort(bytes, start, "v1Report");
    case TYPE_OCTET.v2Report:
      return checkShort(bytes, start, "v2Report");
    case TYPE_OCTET.leave:
      return checkShort(bytes, start, "leave");
    case TYPE_OCTET.v3Report:
      return checkReport(bytes, start, end);
    default:
      return "igmp.unknown-type";
  }
}

function checkShort(bytes: Uint8Array, start: number, kind: MessageKind): MessageKind | IgmpDrop {
  return isMulticast(readIpv4(bytes, start + GROUP)) ? kind : "igmp.group-not-multicast";
}

// RFC 3376 7.1: the length and the code tell the version of a query; other lengths are silently ignored.
function checkQuery(bytes: Uint8Array, start: number, end: number): MessageKind | IgmpDrop {
  const length = end - start;
  const group = readIpv4(bytes, start + GROUP);
  if (length !== SHORT_MESSAGE && length < V3_QUERY) return "igmp.query-length";
  if (group !== ANY && !isMulticast(group)) return "igmp.group-not-multicast";
  if (length === SHORT_MESSAGE) return bytes[start + MAX_RESPONSE] === 0 ? "v1Query" : "v2Query";
  const sources = readUint16(bytes, start + QUERY_SOURCE_COUNT);
  if (QUERY_SOURCES + 4 * sources > length) return "igmp.query-truncated";
  // 4.1.8: the count is zero in a General Query.
  return group === ANY && sources > 0 ? "igmp.query-sources" : "v3Query";
}

function checkReport(bytes: Uint8Array, start: number, end: number): MessageKind | IgmpDrop {
  let at = start + RECORDS;
  for (let left = readUint16(bytes, start + RECORD_COUNT); left > 0; left--) {
    if (at + RECORD_HEADER > end) return "igmp.record-truncated";
    at += RECORD_HEADER + 4 * readUint16(bytes, at + RECORD_SOURCE_COUNT) + 4 * (bytes[at + AUX_LENGTH] ?? 0);
    if (at > end) return "igmp.record-truncated";
  }
  return "v3Report";
}

/** Whether it asks, in whichever version. */
export const isQuery = ({ kind }: IgmpPacket): boolean =>
  kind === "v1Query" || kind === "v2Query" || kind === "v3Query";

/** Who sent it; 0.0.0.0 for a host without an address (RFC 3376 4.2.13). */
export const senderOf = (packet: IgmpPacket): Ipv4 => sourceAddress(packet.bytes);

/** What the message as a whole is about: 0.0.0.0 in a General Query and a v3 report, whose records name groups. */
export const headGroup = (packet: IgmpPacket): Ipv4 => (packet.kind === "v3Report" ? ANY : groupOf(packet));

/** The group of a v1 or v2 report, a leave, or a query (0.0.0.0 in a General Query). */
export const groupOf = (packet: IgmpPacket): Ipv4 => readIpv4(packet.bytes, packet.start + GROUP);
