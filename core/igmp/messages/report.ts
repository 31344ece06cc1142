// Version 3 Membership Reports (RFC 3376 4.2): records read in place, packets written whole, long reports split (4.2.16).
import type { Address } from "../../base/address.ts";
import { readUint16, writeUint16 } from "../../base/bytes.ts";
import { internetChecksum } from "../../base/checksum.ts";
import { ALL_IGMPV3_ROUTERS, type Ipv4, readIpv4, writeIpv4 } from "../../base/ipv4.ts";
import { ETHERNET_MTU, HEADER_LENGTH, writeIpHeader } from "./ip-header.ts";
import {
  AUX_LENGTH,
  CHECKSUM,
  RECORD_COUNT,
  RECORD_GROUP,
  RECORD_HEADER,
  RECORD_SOURCE_COUNT,
  RECORD_SOURCES,
  RECORD_TYPE,
  RECORDS,
  TYPE,
  TYPE_OCTET,
} from "./offsets.ts";
import type { IgmpPacket } from "./packet.ts";

/** In wire order, so that the record type on the wire is the index plus one (4.2.12). */
const RECORD_TYPES = ["is-in", "is-ex", "to-in", "to-ex", "allow", "block"] as const;
/** RFC 3376 4.2.12. */
export type RecordType = (typeof RECORD_TYPES)[number];

/** A group record (4.2.4), without auxiliary data. */
export interface ReportRecord<A extends Address = Ipv4> {
  readonly type: RecordType;
  readonly group: A;
  readonly sources: readonly A[];
}

/** Where each record of a v3Report packet begins. */
function* recordStarts({ bytes, start }: IgmpPacket): Generator<number> {
  let at = start + RECORDS;
  for (let left = readUint16(bytes, start + RECORD_COUNT); left > 0; left--) {
    yield at;
    at += RECORD_HEADER + 4 * readUint16(bytes, at + RECORD_SOURCE_COUNT) + 4 * (bytes[at + AUX_LENGTH] ?? 0);
  }
}

const typeAt = (bytes: Uint8Array, at: number): RecordType | undefined =>
  RECORD_TYPES[(bytes[at + RECORD_TYPE] ?? 0) - 1];

/**
 * The records of a v3Report packet, in order; auxiliary data and trailing octets are passed over (4.2.10, 4.2.11), and so are records of
 * a type that nobody has defined (4.2.12), which `undefinedRecords` counts.
 */
export function* recordsOf(packet: IgmpPacket): Generator<ReportRecord> {
  const { bytes } = packet;
  for (const at of recordStarts(packet)) {
    const type = typeAt(bytes, at);
    if (type === undefined) continue;
    const count = readUint16(bytes, at + RECORD_SOURCE_COUNT);
    const sources = Array.from({ length: count }, (_, i) => readIpv4(bytes, at + RECORD_SOURCES + 4 * i));
    yield { type, group: readIpv4(bytes, at + RECORD_GROUP), sources };
  }
}

/** How many records of a v3Report packet are of a type that nobody has defined. */
export function undefinedRecords(packet: IgmpPacket): number {
  let count = 0;
  for (const at of recordStarts(packet)) if (typeAt(packet.bytes, at) === undefined) count++;
  return count;
}

const recordLength = (record: ReportRecord): number => RECORD_HEADER + 4 * record.sources.length;

/** Octets of the whole IPv4 packet. */
export function reportLength(records: readonly ReportRecord[]): number {
  return records.reduce((sum, record) => sum + recordLength(record), HEADER_LENGTH + RECORDS);
}

/** Fills `into`, exactly reportLength(records) octets, with the packet from `source` to 224.0.0.22; returns it. */
export function writeReport(into: Uint8Array, source: Ipv4, records: readonly ReportRecord[]): Uint8Array {
  if (into.length !== reportLength(records)) throw new RangeError(`a report of ${reportLength(records)} octets`);
  const at = HEADER_LENGTH;
  into.fill(0, at, at + RECORDS);
  into[at + TYPE] = TYPE_OCTET.v3Report;
  writeUint16(into, at + RECORD_COUNT, records.length);
  let next = at + RECORDS;
  for (const record of records) next = writeRecord(into, next, record);
  writeUint16(into, at + CHECKSUM, internetChecksum(into, at));
  writeIpHeader(into, source, ALL_IGMPV3_ROUTERS);
  return into;
}

function writeRecord(into: Uint8Array, at: number, record: ReportRecord): number {
  into[at + RECORD_TYPE] = RECORD_TYPES.indexOf(record.type) + 1;
  into[at + AUX_LENGTH] = 0;
  writeUint16(into, at + RECORD_SOURCE_COUNT, record.sources.length);
  writeIpv4(into, at + RECORD_GROUP, record.group);
  record.sources.forEach((source, i) => {
    writeIpv4(into, at + RECORD_SOURCES + 4 * i, source);
  });
  return at + recordLength(record);
}

/** Distributes records over as many reports as a link with this MTU needs, in order. */
export function splitReports(records: readonly ReportRecord[], mtu: number = ETHERNET_MTU): ReportRecord[][] {
  // Less the IPv4 header with Router Alert and the report's own 8 octets; one source fits anywhere.
  const most = Math.max(mtu - HEADER_LENGTH - RECORDS, RECORD_HEADER + 4);
  const reports: ReportRecord[][] = [];
  let room = 0;
  for (const record of records.flatMap((one) => fitRecord(one, Math.floor((most - RECORD_HEADER) / 4)))) {
    if (recordLength(record) > room) {
      reports.push([]);
      room = most;
    }
    reports.at(-1)?.push(record);
    room -= recordLength(record);
  }
  return reports;
}

/** RFC 3376 4.2.16: an EXCLUDE record names as many sources as fit, any other is spread over several records. */
function fitRecord(record: ReportRecord, most: number): ReportRecord[] {
  if (record.sources.length <= most) return [record];
  const count = isExclude(record.type) ? 1 : Math.ceil(record.sources.length / most);
  return Array.from({ length: count }, (_, i) => ({
    ...record,
    sources: record.sources.slice(i * most, (i + 1) * most),
  }));
}

/** The two record types that ask for an EXCLUDE filter (4.2.12). */
export const isExclude = (type: RecordType): boolean => type === "is-ex" || type === "to-ex";
