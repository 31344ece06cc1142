// Membership Queries of the three versions (RFC 3376 4.1 and 7.1): read in place, written as whole IPv4 packets.
import type { Address } from "../../base/address.ts";
import { readUint16, writeUint16 } from "../../base/bytes.ts";
import { internetChecksum } from "../../base/checksum.ts";
import { ALL_SYSTEMS, ANY, type Ipv4, readIpv4, writeIpv4 } from "../../base/ipv4.ts";
import { type Duration, milliseconds, seconds } from "../../base/time.ts";
import { decodeCode, encodeCode } from "./code.ts";
import { ETHERNET_MTU, HEADER_LENGTH, writeIpHeader } from "./ip-header.ts";
import {
  CHECKSUM,
  GROUP,
  MAX_RESPONSE,
  QUERY_FLAGS,
  QUERY_INTERVAL_CODE,
  QUERY_SOURCE_COUNT,
  QUERY_SOURCES,
  SHORT_MESSAGE,
  TYPE,
  TYPE_OCTET,
  V3_QUERY,
} from "./offsets.ts";
import { groupOf, type IgmpPacket } from "./packet.ts";

/** RFC 1112, RFC 2236, RFC 3376. */
export type IgmpVersion = 1 | 2 | 3;

/** A Membership Query of any version. */
export interface Query<A extends Address = Ipv4> {
  readonly version: IgmpVersion;
  /** 0.0.0.0 asks about every group. */
  readonly group: A;
  /** Empty unless the query is group-and-source-specific (v3 only). */
  readonly sources: readonly A[];
  /** On the wire: v3 floating-point tenths of a second, v2 linear up to 25.5 s, v1 none (read as 10 s). */
  readonly maxResponse: Duration;
  /** The S flag: routers that hear it leave their timers alone (4.1.5). */
  readonly suppress: boolean;
  /** QRV, 0 to 7; 0 says that it is larger or not told. */
  readonly robustness: number;
  /** QQI in whole seconds, at most 31744 s; 0 when not told. */
  readonly queryInterval: Duration;
}

/**
 * The lists of sources of the queries that ask about all of these, each of which fits into `mtu` octets: 366 on Ethernet (4.1.8), which a
 * host may have even where a link allows more.
 */
export function splitQuery(sources: readonly Ipv4[], mtu: number = ETHERNET_MTU): readonly (readonly Ipv4[])[] {
  const room = Math.max(1, Math.floor((Math.min(mtu, ETHERNET_MTU) - HEADER_LENGTH - V3_QUERY) / 4));
  if (sources.length <= room) return [sources];
  return Array.from({ length: Math.ceil(sources.length / room) }, (_, i) => sources.slice(i * room, (i + 1) * room));
}

// RFC 3376 7.2.1: a v1 query has no Max Response Time, hosts take 10 seconds.
const V1_MAX_RESPONSE = seconds(10);
const TENTH = 100;
const SUPPRESS = 0x08;
const ROBUSTNESS_MASK = 0x07;

/** Reads a packet whose kind is v1Query, v2Query or v3Query. */
export function readQuery(packet: IgmpPacket): Query {
  const { bytes, start } = packet;
  const code = bytes[start + MAX_RESPONSE] ?? 0;
  const short = { group: groupOf(packet), sources: [], suppress: false, robustness: 0, queryInterval: seconds(0) };
  if (packet.kind === "v1Query") return { version: 1, maxResponse: V1_MAX_RESPONSE, ...short };
  if (packet.kind === "v2Query") return { version: 2, maxResponse: milliseconds(code * TENTH), ...short };
  const flags = bytes[start + QUERY_FLAGS] ?? 0;
  return {
    version: 3,
    group: short.group,
    sources: readSources(bytes, start + QUERY_SOURCES, readUint16(bytes, start + QUERY_SOURCE_COUNT)),
    maxResponse: milliseconds(decodeCode(code) * TENTH),
    suppress: (flags & SUPPRESS) !== 0,
    robustness: flags & ROBUSTNESS_MASK,
    queryInterval: seconds(decodeCode(bytes[start + QUERY_INTERVAL_CODE] ?? 0)),
  };
}

function readSources(bytes: Uint8Array, at: number, count: number): Ipv4[] {
  return Array.from({ length: count }, (_, i) => readIpv4(bytes, at + 4 * i));
}

/** Octets of the whole IPv4 packet. */
export function queryLength(query: Query): number {
  return HEADER_LENGTH + (query.version === 3 ? V3_QUERY + 4 * query.sources.length : SHORT_MESSAGE);
}

/** Fills `into`, exactly queryLength(query) octets, with the packet from `source`; returns it. */
export function writeQuery(into: Uint8Array, source: Ipv4, query: Query): Uint8Array {
  if (into.length !== queryLength(query)) throw new RangeError(`a query of ${queryLength(query)} octets`);
  const at = HEADER_LENGTH;
  into[at + TYPE] = TYPE_OCTET.query;
  into[at + MAX_RESPONSE] = responseCode(query);
  writeUint16(into, at + CHECKSUM, 0);
  writeIpv4(into, at + GROUP, query.group);
  if (query.version === 3) writeV3Part(into, at, query);
  writeUint16(into, at + CHECKSUM, internetChecksum(into, at));
  // 4.1.12: a general query goes to all systems, a specific one to the group it asks about.
  writeIpHeader(into, source, query.group === ANY ? ALL_SYSTEMS : query.group);
  return into;
}

function responseCode({ version, maxResponse }: Query): number {
  const tenths = Math.floor(maxResponse / TENTH);
  if (version === 1) return 0;
  // RFC 2236 2.2: linear. 0 would make it a v1 query.
  if (version === 2) return Math.min(255, Math.max(1, tenths));
  return encodeCode(tenths);
}

function writeV3Part(into: Uint8Array, at: number, query: Query): void {
  // 4.1.6: a robustness over 7 is sent as 0.
  const robustness = query.robustness > ROBUSTNESS_MASK ? 0 : query.robustness;
  into[at + QUERY_FLAGS] = (query.suppress ? SUPPRESS : 0) | robustness;
  into[at + QUERY_INTERVAL_CODE] = encodeCode(query.queryInterval / 1000);
  writeUint16(into, at + QUERY_SOURCE_COUNT, query.sources.length);
  query.sources.forEach((address, i) => {
    writeIpv4(into, at + QUERY_SOURCES + 4 * i, address);
  });
}
