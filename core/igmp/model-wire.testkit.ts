// What a router takes from the octets of an IPv4 packet, read a second time from RFC 791, 1112, 2236 and 3376 for the model, with
// nothing of the product. READING marks where we are stricter than an RFC says.
import { type Ipv4, ipv4 } from "../base/ipv4.ts";
import { milliseconds } from "../base/time.ts";
import type { Query } from "./messages/query.ts";
import type { RecordType } from "./messages/report.ts";
import type { RouterModel } from "./model.testkit.ts";

const ALL_SYSTEMS = 0xe0000001;
const TYPES: readonly RecordType[] = ["is-in", "is-ex", "to-in", "to-ex", "allow", "block"];

const isGroup = (address: number): boolean => address >= 0xe0000000 && address < 0xf0000000;

/** Big-endian readings from one message. */
class Octets {
  readonly #octets: Uint8Array;

  constructor(octets: Uint8Array) {
    this.#octets = octets;
  }
  get length(): number {
    return this.#octets.length;
  }
  one(at: number): number {
    return this.#octets[at] ?? 0;
  }
  two(at: number): number {
    return this.one(at) * 256 + this.one(at + 1);
  }
  address(at: number): Ipv4 {
    return ipv4(this.two(at) * 65_536 + this.two(at + 2));
  }
  addresses(at: number, count: number): Ipv4[] {
    return Array.from({ length: count }, (_, i) => this.address(at + 4 * i));
  }
  from(at: number, end: number): Octets {
    return new Octets(this.#octets.subarray(at, end));
  }
  /** RFC 1071: the ones' complement sum of all words, the last one filled up, is all ones. */
  get isWhole(): boolean {
    let sum = 0;
    for (let at = 0; at < this.length; at += 2) sum += this.two(at);
    return sum > 0 && sum % 65_535 === 0;
  }
}

/** 4.1.1, 4.1.7. */
const floating = (code: number): number =>
  code < 128 ? code : ((code % 16) + 16) * 2 ** (Math.floor((code % 128) / 16) + 3);

const everybody = (): boolean => true;

/**
 * Lets the model hear a packet, or whatever else it is.
 * @param isNeighbour READING: queries of nobody on this link do not count
 */
export function hear(
  model: RouterModel,
  ours: number,
  packet: Uint8Array,
  isNeighbour: (from: number) => boolean = everybody,
): void {
  const ip = new Octets(packet);
  const headerLength = 4 * (ip.one(0) % 16);
  const total = ip.two(2);
  if (ip.length < 20 || ip.one(0) >> 4 !== 4 || headerLength < 20) return;
  if (total < headerLength || total > ip.length || ip.one(9) !== 2) return;
  if (!ip.from(0, headerLength).isWhole || ip.two(6) % 0x4000 !== 0) return;
  const from = ip.address(12);
  // RFC 1122 3.2.1.3: nobody has such an address; and what we sent ourselves is no news.
  if (from >= 0xe0000000 || from === ours) return;
  const message = ip.from(headerLength, total);
  if (message.length < 8 || !message.isWhole) return;
  // READING: a query that was not sent to those whom it asks (4.1.12), or with another TTL than 1, is none of a router of this link.
  const asksAll = message.address(4) === 0 || (message.length === 8 && message.one(1) === 0);
  const mayAsk = ip.address(16) === (asksAll ? 0xe0000001 : message.address(4)) && ip.one(8) === 1 && isNeighbour(from);
  if (message.one(0) === 0x11 && mayAsk) heardQuery(model, from, message);
  else heardReport(model, message);
}

// 7.1.
function heardQuery(model: RouterModel, from: number, message: Octets): void {
  const group = message.address(4);
  const code = message.one(1);
  if (group !== 0 && !isGroup(group)) return;
  const older = { group, sources: [], suppress: false, robustness: 0, queryInterval: milliseconds(0) };
  if (message.length === 8 && code === 0)
    model.query(from, { version: 1, maxResponse: milliseconds(10_000), ...older });
  else if (message.length === 8) model.query(from, { version: 2, maxResponse: milliseconds(100 * code), ...older });
  else if (message.length >= 12) heardV3Query(model, from, message);
}

function heardV3Query(model: RouterModel, from: number, message: Octets): void {
  const group = message.address(4);
  const count = message.two(10);
  // READING: 4.1.8 says that the count is zero in a General Query.
  if (12 + 4 * count > message.length || (group === 0 && count > 0)) return;
  const query: Query = {
    version: 3,
    group,
    sources: message.addresses(12, count),
    maxResponse: milliseconds(100 * floating(message.one(1))),
    suppress: message.one(8) % 16 >= 8,
    robustness: message.one(8) % 8,
    queryInterval: milliseconds(1000 * floating(message.one(9))),
  };
  model.query(from, query);
}

function heardReport(model: RouterModel, message: Octets): void {
  const group = message.address(4);
  const isOlder = isGroup(group) && group !== ALL_SYSTEMS;
  switch (message.one(0)) {
    case 0x12:
      if (isOlder) model.olderReport(1, group);
      break;
    case 0x16:
      if (isOlder) model.olderReport(2, group);
      break;
    case 0x17:
      if (isOlder) model.leave(group);
      break;
    case 0x22:
      heardRecords(model, message);
  }
}

// 4.2. READING: a report that ends within a record says nothing at all.
function heardRecords(model: RouterModel, message: Octets): void {
  const records: { type: RecordType | undefined; group: Ipv4; sources: Ipv4[] }[] = [];
  let at = 8;
  for (let left = message.two(6); left > 0; left--) {
    const count = message.two(at + 2);
    const next = at + 8 + 4 * count + 4 * message.one(at + 1);
    if (at + 8 > message.length || next > message.length) return;
    const type = TYPES[message.one(at) - 1];
    records.push({ type, group: message.address(at + 4), sources: message.addresses(at + 8, count) });
    at = next;
  }
  for (const { type, group, sources } of records)
    if (type !== undefined && isGroup(group) && group !== ALL_SYSTEMS) model.record(type, group, sources);
}
