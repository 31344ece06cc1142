import assert from "node:assert/strict";
import { test } from "node:test";
import { hex as octetsOf } from "../../base/bytes.testkit.ts";
import { writeUint16 } from "../../base/bytes.ts";
import { internetChecksum } from "../../base/checksum.ts";
import { checkFrame } from "../../base/ethernet.ts";
import { address, formatIpv4 } from "../../base/ipv4.ts";
import { milliseconds, seconds } from "../../base/time.ts";
import { prefilled, query, report, source, v1v2Message, vectorFile } from "../igmp.testkit.ts";
import { decodeCode, encodeCode } from "./code.ts";
import { destinationAddress, hasRouterAlert } from "./ip-header.ts";
import { checkPacket, groupOf, type IgmpPacket, senderOf } from "./packet.ts";
import { queryLength, readQuery, splitQuery, writeQuery } from "./query.ts";
import { type RecordType, recordsOf, reportLength, splitReports, undefinedRecords, writeReport } from "./report.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "./v1-v2-message.ts";

interface QueryFields {
  readonly version: 1 | 2 | 3;
  readonly maxResponse: number;
  readonly suppress: boolean;
  readonly robustness: number;
  readonly queryInterval: number;
  readonly sources: readonly string[];
}

interface VectorRecord {
  /** "unknown": a type that nobody has defined. */
  readonly type: RecordType | "unknown";
  readonly group: string;
  readonly sources: readonly string[];
}

interface PacketVector {
  readonly name: string;
  readonly hex: string;
  readonly kind: string;
  readonly from: string;
  readonly group: string;
  readonly writable: boolean;
  readonly query?: QueryFields;
  readonly records?: readonly VectorRecord[];
}

const packets = vectorFile<PacketVector[]>("packets.json");

function accepted(bytes: Uint8Array): IgmpPacket {
  const packet = checkPacket(bytes);
  if (typeof packet === "string") assert.fail(packet);
  return packet;
}

for (const vector of packets) {
  test(`the gate reads: ${vector.name}`, () => {
    const packet = accepted(octetsOf(vector.hex));
    assert.equal(packet.kind, vector.kind);
    assert.equal(formatIpv4(senderOf(packet)), vector.from);
    if (vector.kind !== "v3Report") assert.equal(formatIpv4(groupOf(packet)), vector.group);
    if (vector.query !== undefined) {
      const { group, sources, ...fields } = readQuery(packet);
      assert.deepEqual(
        { ...fields, sources: sources.map(formatIpv4), group: formatIpv4(group) },
        { ...vector.query, group: vector.group },
      );
    }
    if (vector.records === undefined) return;
    assert.deepEqual(recordsText(packet), definedIn(vector));
    assert.equal(undefinedRecords(packet), vector.records.length - definedIn(vector).length);
  });
}

const definedIn = ({ records = [] }: PacketVector) =>
  records.flatMap(({ type, ...rest }) => (type === "unknown" ? [] : [{ type, ...rest }]));

const recordsText = (packet: IgmpPacket) =>
  Array.from(recordsOf(packet), ({ type, group, sources }) => ({
    type,
    group: formatIpv4(group),
    sources: sources.map(formatIpv4),
  }));

/** What our writers make of a vector's fields, in a buffer full of 0xa5. */
function rewritten(vector: PacketVector): Uint8Array {
  const from = address(vector.from);
  const group = address(vector.group);
  switch (vector.kind) {
    case "v1Report":
    case "v2Report":
    case "leave":
      return writeV1V2Message(prefilled(V1_V2_LENGTH), from, vector.kind, group);
    case "v3Report": {
      const records = definedIn(vector).map((record) => ({
        type: record.type,
        group: address(record.group),
        sources: record.sources.map(address),
      }));
      return writeReport(prefilled(reportLength(records)), from, records);
    }
    default: {
      const fields = vector.query;
      if (fields === undefined) assert.fail("a query vector has its fields");
      const written = {
        ...fields,
        group,
        sources: fields.sources.map(address),
        maxResponse: milliseconds(fields.maxResponse),
        queryInterval: milliseconds(fields.queryInterval),
      };
      return writeQuery(prefilled(queryLength(written)), from, written);
    }
  }
}

for (const vector of packets.filter(({ writable }) => writable)) {
  test(`the writers make octet for octet what scapy made: ${vector.name}`, () => {
    assert.equal(Buffer.from(rewritten(vector)).toString("hex"), vector.hex);
  });
}

for (const { name, reason, hex } of vectorFile<{ name: string; reason: string; hex: string }[]>("drops.json")) {
  test(`the gate drops ${name} as ${reason}`, () => {
    assert.equal(checkPacket(octetsOf(hex)), reason);
  });
}

interface FrameVector {
  readonly name: string;
  readonly hex: string;
  readonly reason?: string;
  readonly mac?: string;
  readonly vlans?: number[];
}

for (const { name, hex, reason, mac, vlans } of vectorFile<FrameVector[]>("frames.json")) {
  test(`a frame, ${name}: ${reason ?? "its MAC, its tags and its packet"}`, () => {
    const frame = checkFrame(octetsOf(hex));
    if (typeof frame === "string") {
      assert.equal(frame, reason);
      return;
    }
    assert.equal(frame.mac, mac);
    assert.deepEqual(frame.vlans, vlans);
    assert.equal(accepted(frame.packet).kind, "v2Report");
  });
}

test("RFC 3376 4.1.1: the codes decode as the formula says", () => {
  const values = [0, 1, 127, 128, 129, 143, 144, 254, 255].map(decodeCode);
  assert.deepEqual(values, [0, 1, 127, 128, 136, 248, 256, 30720, 31744]);
});

test("every one of the 256 codes survives decoding and encoding", () => {
  for (let code = 0; code < 256; code++) assert.equal(encodeCode(decodeCode(code)), code);
});

test("RFC 3376 8.8: a value without a code of its own takes the next lower one", () => {
  for (let value = 0; value <= 31744; value++) {
    const code = encodeCode(value);
    assert.ok(decodeCode(code) <= value, `${value}`);
    if (code < 255) assert.ok(decodeCode(code + 1) > value, `${value}`);
  }
  // scapy's igmp.uts: 154 becomes code 131.
  assert.equal(encodeCode(154), 131);
  assert.equal(encodeCode(1e9), 255);
  assert.equal(encodeCode(-1), 0);
});

/** RFC 791 3.1: octets of the header. */
const TOS = 1;
const TTL = 8;

test("what we send carries TTL 1, TOS 0xc0, Router Alert, and goes where its type belongs", () => {
  const expected: [Uint8Array, string][] = [
    [query("10.0.0.1"), "224.0.0.1"],
    [query("10.0.0.1", { group: address("239.1.1.1") }), "239.1.1.1"],
    [v1v2Message("v1Report", "10.0.0.2", "239.1.1.1"), "239.1.1.1"],
    [v1v2Message("v2Report", "10.0.0.2", "239.1.1.1"), "239.1.1.1"],
    [v1v2Message("leave", "10.0.0.2", "239.1.1.1"), "224.0.0.2"],
    [report("10.0.0.2", ["to-ex", "239.1.1.1"]), "224.0.0.22"],
  ];
  for (const [packet, destination] of expected) {
    assert.equal(packet[TTL], 1);
    assert.equal(packet[TOS], 0xc0);
    assert.ok(hasRouterAlert(packet));
    assert.equal(formatIpv4(destinationAddress(packet)), destination);
  }
});

test("a query at each limit of its fields reads back, or as the RFC clamps it", () => {
  const read = (more: Parameters<typeof query>[1]) => readQuery(accepted(query("10.0.0.1", more)));
  assert.equal(read({ robustness: 8 }).robustness, 0);
  assert.equal(read({ version: 2, maxResponse: milliseconds(40) }).maxResponse, 100);
  assert.equal(read({ version: 2, maxResponse: seconds(60) }).maxResponse, 25500);
  assert.equal(read({ maxResponse: seconds(9999) }).maxResponse, 3_174_400);
  const full = Array.from({ length: 366 }, (_, i) => address(`10.9.${i >> 8}.${i & 255}`));
  const packet = query("10.0.0.1", { group: address("239.1.1.1"), sources: full });
  assert.equal(packet.length, 1500);
  assert.deepEqual(readQuery(accepted(packet)).sources, full);
});

test("RFC 3376 4.1.8: sources are asked about in as many queries as the link's MTU needs, each once and in order", () => {
  const many = Array.from({ length: 1000 }, (_, i) => address(`10.1.${i >> 8}.${i & 255}`));
  for (const [mtu, most] of [
    [undefined, 366],
    [1500, 366],
    [9000, 366],
    [1400, 341],
    [576, 135],
    [68, 8],
  ] as const) {
    const parts = splitQuery(many, mtu);
    assert.deepEqual(parts.flat(), many);
    assert.equal(Math.max(...parts.map((part) => part.length)), most);
    const longest = query("10.0.0.1", { group: address("239.1.1.1"), sources: parts[0] ?? [] });
    assert.ok(longest.length <= (mtu ?? 1500), `${longest.length} octets on ${mtu}`);
  }
  assert.deepEqual(splitQuery([], 1400), [[]]);
});

test("Router Alert is found behind other options, and a list of options that makes no sense has none", () => {
  const withOptions = (...options: number[]): Uint8Array => {
    const packet = v1v2Message("v2Report", "10.0.0.2", "239.1.1.1");
    const longer = new Uint8Array(packet.length + 4);
    longer.set(packet.subarray(0, 20));
    longer.set(options, 20);
    longer.set(packet.subarray(24), 28);
    longer[0] = 0x47;
    writeUint16(longer, 2, longer.length);
    writeUint16(longer, 10, 0);
    writeUint16(longer, 10, internetChecksum(longer, 0, 28));
    accepted(longer);
    return longer;
  };
  assert.ok(hasRouterAlert(withOptions(1, 1, 1, 1, 148, 4, 0, 0)));
  assert.ok(hasRouterAlert(withOptions(7, 4, 4, 0, 148, 4, 0, 0)));
  assert.ok(!hasRouterAlert(withOptions(0, 0, 0, 0, 148, 4, 0, 0)));
  assert.ok(!hasRouterAlert(withOptions(7, 0, 0, 0, 148, 4, 0, 0)));
  assert.ok(!hasRouterAlert(withOptions(7, 6, 0, 0, 0, 0, 148, 4)));
});

test("RFC 3376 4.2.16: a long list is spread over reports, an EXCLUDE list is cut to what fits", () => {
  const group = address("239.1.1.1");
  const many = Array.from({ length: 1000 }, (_, i) => address(`10.1.${i >> 8}.${i & 255}`));
  const allow = splitReports([{ type: "allow", group, sources: many }]);
  assert.deepEqual(
    allow.flat().flatMap((record) => record.sources),
    many,
  );
  assert.ok(allow.every((records) => reportLength(records) <= 1500));
  const exclude = splitReports([{ type: "to-ex", group, sources: many }]);
  assert.equal(exclude.length, 1);
  assert.deepEqual(exclude[0]?.[0]?.sources, many.slice(0, 365));
  for (const mtu of [1400, 576, 68]) {
    const small = splitReports([{ type: "allow", group, sources: many }], mtu);
    assert.deepEqual(
      small.flat().flatMap((record) => record.sources),
      many,
    );
    assert.ok(small.every((records) => reportLength(records) <= mtu));
    assert.ok(reportLength(small[0] ?? []) > mtu - 4, "and none is smaller than it must be");
  }
  assert.deepEqual(splitReports([]), []);
});

test("a buffer of another length than the message is our own mistake", () => {
  const wrong = prefilled(V1_V2_LENGTH + 1);
  assert.throws(() => writeV1V2Message(wrong, address("10.0.0.1"), "leave", address("239.1.1.1")), RangeError);
  assert.throws(() => writeReport(wrong, address("10.0.0.1"), []), RangeError);
  assert.throws(() => writeQuery(wrong, address("10.0.0.1"), readQuery(accepted(query("10.0.0.1")))), RangeError);
});

test("addresses read in place are the numbers that were written", () => {
  const packet = accepted(report("10.0.0.2", ["allow", "232.1.1.1", source(1), source(255)]));
  assert.deepEqual(recordsText(packet), [{ type: "allow", group: "232.1.1.1", sources: ["192.0.2.1", "192.0.2.255"] }]);
});
