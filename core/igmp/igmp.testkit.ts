// What the tests of this folder share: vectors from files, packets from the writers, chance that repeats.
import { readFileSync } from "node:fs";
import { hex } from "../base/bytes.testkit.ts";
import { writeUint16 } from "../base/bytes.ts";
import { internetChecksum } from "../base/checksum.ts";
import { ALL_SYSTEMS, ANY, address, formatIpv4, type Ipv4, writeIpv4 } from "../base/ipv4.ts";
import { type Instant, instant, seconds } from "../base/time.ts";
import type { Entropy } from "../ports/entropy.ts";
import { type Query, queryLength, writeQuery } from "./messages/query.ts";
import { type RecordType, type ReportRecord, reportLength, writeReport } from "./messages/report.ts";
import { V1_V2_LENGTH, type V1V2Kind, writeV1V2Message } from "./messages/v1-v2-message.ts";

export const vectorFile = <T>(name: string): T => JSON.parse(readFileSync(`core/igmp/vectors/${name}`, "utf8")) as T;

/** Always the middle of the range: delays that a test can foretell. */
export const middle: Entropy = { bytes: (length) => new Uint8Array(length), below: (limit) => limit / 2 };

/** A buffer full of what the writer must overwrite. */
export const prefilled = (length: number): Uint8Array => new Uint8Array(length).fill(0xa5);

export const at = (s: number): Instant => instant(s * 1000);

/** 192.0.2.n, the sources of the Linux selftests. */
export const source = (n: number): Ipv4 => address(`192.0.2.${n}`);
export const sources = (...numbers: number[]): Ipv4[] => numbers.map(source);

export function v1v2Message(kind: V1V2Kind, from: string, group: string): Uint8Array {
  return writeV1V2Message(prefilled(V1_V2_LENGTH), address(from), kind, address(group));
}

export function report(from: string, ...records: [RecordType, string, ...Ipv4[]][]): Uint8Array {
  const list: ReportRecord[] = records.map(([type, group, ...named]) => ({
    type,
    group: address(group),
    sources: named,
  }));
  return writeReport(prefilled(reportLength(list)), address(from), list);
}

/** A general v3 query with the RFC's own times, unless told otherwise. */
export function query(from: string, more: Partial<Query> = {}): Uint8Array {
  const whole: Query = {
    version: 3,
    group: ANY,
    sources: [],
    maxResponse: seconds(10),
    suppress: false,
    robustness: 2,
    queryInterval: seconds(125),
    ...more,
  };
  return writeQuery(prefilled(queryLength(whole)), address(from), whole);
}

/** The frame in which a host with this MAC sends `packet`. */
export function ethernet(mac: string, packet: Uint8Array): Uint8Array {
  const header = hex(`01005e000016${mac.replaceAll(":", "")}0800`);
  const frame = prefilled(header.length + packet.length);
  frame.set(header);
  frame.set(packet, header.length);
  return frame;
}

/** The same packet with another TTL or destination, as it would come from beyond the link, or to ourselves alone. */
export function readdressed(
  packet: Uint8Array,
  { ttl, to }: { readonly ttl?: number; readonly to?: string },
): Uint8Array {
  const changed = packet.slice();
  if (ttl !== undefined) changed[8] = ttl;
  if (to !== undefined) writeIpv4(changed, 16, address(to));
  writeUint16(changed, 10, 0);
  writeUint16(changed, 10, internetChecksum(changed, 0, 24));
  return changed;
}

/** The same frame with tags of 802.1Q, the outer one first. */
export function tagged(frame: Uint8Array, ...vlans: number[]): Uint8Array {
  const tags = vlans.flatMap((id) => [0x81, 0, id >>> 8, id & 255]);
  return Uint8Array.from([...frame.subarray(0, 12), ...tags, ...frame.subarray(12)]);
}

export { lastOctets } from "../base/address.testkit.ts";
export { ALL_SYSTEMS, address, formatIpv4 };
