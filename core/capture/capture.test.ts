// Readers of both formats: the same packets whatever the byte order, the clock and the link; faults by name; mutations.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fuzz } from "../base/fuzz.testkit.ts";
import { unixTime } from "../base/time.ts";
import { CaptureReader } from "./capture.ts";
import { type CapturedPacket, type CaptureFault, MAX_PACKET } from "./captured-packet.ts";
import type { LinkDrop } from "./link-payload.ts";
import { ipv4Of, LINK_TYPES } from "./link-type.ts";
import { linksAround } from "./links.testkit.ts";
import { networkName } from "./network.ts";
import { writePcap } from "./pcap.ts";
import { readInParts } from "./replay.testkit.ts";

const FAULTS = new Set<CaptureFault>([
  "capture.format",
  "capture.truncated",
  "capture.packet-length",
  "capture.block-length",
  "capture.byte-order",
  "capture.interface",
  "capture.too-many-interfaces",
]);

const LINK_DROPS = new Set<LinkDrop>([
  "frame.truncated",
  "frame.too-many-tags",
  "frame.not-ipv4",
  "frame.source",
  "frame.link-type",
  "frame.encrypted",
  "frame.fragment",
  "frame.aggregated",
  "frame.check-sequence",
]);

const kernel = new Uint8Array(readFileSync("core/igmp/vectors/kernel-v2.pcap"));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const read = (file: Uint8Array, size?: number) => [...readInParts(file, size)];

function packetsOf(file: Uint8Array): CapturedPacket[] {
  return read(file).map((item) => (typeof item === "string" ? assert.fail(item) : item));
}

/** The last item, which is the fault, and how many packets came before it. */
function faultOf(file: Uint8Array): [number, unknown] {
  const items = read(file);
  return [items.filter((item) => typeof item !== "string").length, items.at(-1)];
}

const summary = (file: Uint8Array): string[] =>
  packetsOf(file).map(({ at, linkType, bytes }) => `${at.toFixed(3)} ${linkType} ${hex(bytes)}`);

/** A pcapng block; `body` is padded to four octets. */
function block(type: number, body: Uint8Array, little = true): Uint8Array {
  const padded = Math.ceil(body.length / 4) * 4;
  const bytes = new Uint8Array(12 + padded);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, little);
  view.setUint32(4, bytes.length, little);
  bytes.set(body, 8);
  view.setUint32(bytes.length - 4, bytes.length, little);
  return bytes;
}

function fields(little: boolean, ...values: readonly (readonly [size: 1 | 2 | 4 | 8, value: number])[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of values) {
    if (size === 1) view.setUint8(at, value);
    else if (size === 2) view.setUint16(at, value, little);
    else if (size === 4) view.setUint32(at, value, little);
    else view.setBigUint64(at, BigInt(value), little);
    at += size;
  }
  return new Uint8Array(view.buffer);
}

const join = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

const section = (little = true): Uint8Array =>
  block(0x0a0d0d0a, fields(little, [4, 0x1a2b3c4d], [2, 1], [2, 0], [4, 0xffffffff], [4, 0xffffffff]), little);
const description = (linkType: number, options: Uint8Array = new Uint8Array(0), little = true, snap = 0): Uint8Array =>
  block(1, join(fields(little, [2, linkType], [2, 0], [4, snap]), options), little);
const enhanced = (id: number, ticks: number, packet: Uint8Array, little = true): Uint8Array =>
  block(
    6,
    join(
      fields(
        little,
        [4, id],
        [4, Math.floor(ticks / 2 ** 32)],
        [4, ticks % 2 ** 32],
        [4, packet.length],
        [4, packet.length],
      ),
      packet,
    ),
    little,
  );
const simple = (packet: Uint8Array, little = true): Uint8Array =>
  block(3, join(fields(little, [4, packet.length]), packet), little);

const ipv4 = Uint8Array.from([0x45, 1, 2, 3, 4]);

test("a capture by tcpdump: four packets on Ethernet, in milliseconds since 1970", () => {
  const packets = packetsOf(kernel);
  assert.equal(packets.length, 4);
  assert.ok(packets.every(({ linkType }) => linkType === LINK_TYPES.ethernet));
  assert.equal(new Date(packets[0]?.at ?? 0).toISOString(), "2026-11-22T16:34:58.002Z");
});

test("the same capture with nanoseconds (tcpdump), as pcapng (scapy 2.5.0) and big-endian (our writer) reads the same", () => {
  const expected = summary(kernel);
  assert.deepEqual(summary(new Uint8Array(readFileSync("core/capture/vectors/kernel-v2-nano.pcap"))), expected);
  assert.deepEqual(summary(new Uint8Array(readFileSync("core/capture/vectors/kernel-v2.pcapng"))), expected);
  assert.deepEqual(summary(writePcap(LINK_TYPES.ethernet, packetsOf(kernel))), expected);
});

test("big-endian nanoseconds: the fraction is of a second", () => {
  const file = writePcap(LINK_TYPES.raw, [{ at: unixTime(1000), bytes: ipv4 }]);
  const view = new DataView(file.buffer);
  view.setUint32(0, 0xa1b23c4d);
  view.setUint32(24 + 4, 250_000_000);
  assert.equal(packetsOf(file)[0]?.at, 1250);
});

for (const little of [true, false]) {
  test(`pcapng, ${little ? "little" : "big"}-endian: several interfaces, each with its own link and clock`, () => {
    const option = (code: number, value: Uint8Array) =>
      join(fields(little, [2, code], [2, value.length]), value, new Uint8Array((4 - (value.length % 4)) % 4));
    const file = join(
      section(little),
      description(LINK_TYPES.ethernet, undefined, little),
      description(
        LINK_TYPES.raw,
        join(option(2, new TextEncoder().encode("eth1")), option(9, Uint8Array.of(9)), option(0, new Uint8Array(0))),
        little,
      ),
      description(
        LINK_TYPES.ipv4,
        join(option(9, Uint8Array.of(0x80 | 10)), option(14, fields(little, [8, 100]))),
        little,
      ),
      block(0xbad, Uint8Array.of(1, 2, 3), little),
      enhanced(0, 1_500_000, ipv4, little),
      enhanced(1, 2_500_000_000, ipv4, little),
      enhanced(2, 3 * 1024 + 512, ipv4, little),
      simple(ipv4, little),
    );
    assert.deepEqual(
      packetsOf(file).map(({ at, linkType, bytes }) => [at, linkType, hex(bytes)]),
      [
        [1500, LINK_TYPES.ethernet, hex(ipv4)],
        [2500, LINK_TYPES.raw, hex(ipv4)],
        [103_500, LINK_TYPES.ipv4, hex(ipv4)],
        [103_500, LINK_TYPES.ethernet, hex(ipv4)],
      ],
    );
  });
}

test("pcapng: a second section has its own byte order and interfaces", () => {
  const file = join(
    section(true),
    description(LINK_TYPES.raw),
    enhanced(0, 1_000_000, ipv4),
    section(false),
    description(LINK_TYPES.ipv4, undefined, false),
    enhanced(0, 2_000_000, ipv4, false),
  );
  assert.deepEqual(
    packetsOf(file).map(({ at, linkType }) => [at, linkType]),
    [
      [1000, LINK_TYPES.raw],
      [2000, LINK_TYPES.ipv4],
    ],
  );
  const unknown = join(section(true), description(LINK_TYPES.raw), section(false), enhanced(0, 0, ipv4, false));
  assert.deepEqual(faultOf(unknown), [0, "capture.interface"]);
});

test("pcapng: the obsolete Packet Block, whose interface has 16 bits", () => {
  const body = fields(true, [2, 0], [2, 9], [4, 0], [4, 1_000_000], [4, ipv4.length], [4, 60]);
  const [packet] = packetsOf(join(section(), description(LINK_TYPES.raw), block(2, join(body, ipv4))));
  assert.deepEqual([packet?.at, packet?.length, hex(packet?.bytes ?? kernel)], [1000, 60, hex(ipv4)]);
});

test("pcapng: interfaces have the names that the file gives them, harmless and not too long", () => {
  const named = (name: Uint8Array) =>
    join(fields(true, [2, 2], [2, name.length]), name, new Uint8Array((4 - (name.length % 4)) % 4));
  const nameOf = (name: Uint8Array): string | undefined => {
    const [packet] = packetsOf(join(section(), description(LINK_TYPES.raw, named(name)), simple(ipv4)));
    return packet?.source?.name;
  };
  assert.equal(nameOf(new TextEncoder().encode("eth0")), "eth0");
  assert.equal(nameOf(Uint8Array.of(0x65, 0x1b, 0xc3, 0)), "e??");
  assert.equal(nameOf(new Uint8Array(1000).fill(0x61)), "a".repeat(64));
});

test("pcapng: a block of 64 MiB that carries no packets is passed over without being kept; one that should carry some is none", () => {
  const size = 64 * 2 ** 20;
  const reader = new CaptureReader();
  const found: unknown[] = [];
  const read = (octets: Uint8Array) => found.push(...reader.read(octets));
  read(join(section(), description(LINK_TYPES.raw), fields(true, [4, 10], [4, size])));
  const part = new Uint8Array(2 ** 20);
  for (let i = 0; i < 64; i++) read(i === 63 ? part.subarray(8) : part);
  read(simple(ipv4));
  assert.equal(found.length, 1);
  assert.deepEqual([...reader.end()], []);
  assert.deepEqual(faultOf(join(section(), fields(true, [4, 6], [4, size], [4, 0]))), [0, "capture.block-length"]);
  assert.deepEqual(faultOf(join(section(), fields(true, [4, 10], [4, size], [4, 0]))), [0, "capture.truncated"]);
});

test("a capture reads the same in parts of any size", () => {
  for (const file of [kernel, new Uint8Array(readFileSync("core/capture/vectors/kernel-v2.pcapng"))])
    for (const size of [1, 3, 16, 61]) assert.deepEqual(read(file, size), read(file));
});

test("pcapng: a Simple Packet is as long as the interface's snap length allows", () => {
  const cut = join(section(), description(LINK_TYPES.raw, undefined, true, 3), simple(ipv4));
  assert.equal(packetsOf(cut)[0]?.bytes.length, 3);
});

const huge = fields(true, [4, 0], [4, 0], [4, 0], [4, MAX_PACKET + 1], [4, 0]);
const FAULTY: readonly [CaptureFault, number, string, Uint8Array][] = [
  ["capture.format", 0, "an empty file", new Uint8Array(0)],
  ["capture.format", 0, "text", new TextEncoder().encode("not a capture at all")],
  ["capture.truncated", 0, "a pcap header cut off", kernel.subarray(0, 20)],
  ["capture.truncated", 1, "a pcap record header cut off", kernel.subarray(0, 24 + 16 + 46 + 7)],
  ["capture.truncated", 3, "a pcap packet cut off", kernel.subarray(0, kernel.length - 1)],
  [
    "capture.truncated",
    1,
    "a pcapng block cut off",
    join(section(), description(1), enhanced(0, 0, ipv4), enhanced(0, 0, ipv4).subarray(0, 30)),
  ],
  ["capture.truncated", 0, "a pcapng section cut off", section().subarray(0, 8)],
  [
    "capture.packet-length",
    0,
    "a pcapng packet of 256 KiB and one octet",
    join(section(), description(1), block(6, huge)),
  ],
  [
    "capture.block-length",
    0,
    "a block of seven octets more than a multiple of four",
    join(section(), fields(true, [4, 1], [4, 19], [4, 0], [4, 0], [4, 0])),
  ],
  ["capture.block-length", 0, "lengths that differ", join(section(), fields(true, [4, 1], [4, 12], [4, 16]))],
  [
    "capture.block-length",
    0,
    "a packet longer than its block",
    join(section(), description(1), block(6, fields(true, [4, 0], [4, 0], [4, 0], [4, 9], [4, 9]))),
  ],
  [
    "capture.block-length",
    0,
    "an interface description of four octets",
    join(section(), block(1, fields(true, [4, 1]))),
  ],
  [
    "capture.block-length",
    0,
    "a simple packet longer than its block",
    join(section(), description(1), block(3, fields(true, [4, 9]))),
  ],
  [
    "capture.byte-order",
    0,
    "a section without its magic",
    block(0x0a0d0d0a, fields(true, [4, 1], [4, 2], [4, 3], [4, 4])),
  ],
  ["capture.interface", 0, "a packet of an interface that was not described", join(section(), enhanced(0, 0, ipv4))],
  ["capture.interface", 0, "a simple packet without an interface", join(section(), simple(ipv4))],
  [
    "capture.too-many-interfaces",
    0,
    "1025 interfaces",
    join(section(), ...Array.from({ length: 1025 }, () => description(1))),
  ],
];

for (const [fault, whole, name, file] of FAULTY) {
  test(`${fault}: ${name}; ${whole} packets before it`, () => {
    assert.deepEqual(faultOf(file), [whole, fault]);
  });
}

test("capture.packet-length: a pcap record that claims 2 GiB ends the reading, not the memory", () => {
  const file = kernel.slice();
  new DataView(file.buffer).setUint32(24 + 8, 0x7fffffff, true);
  assert.deepEqual(faultOf(file), [0, "capture.packet-length"]);
});

function checkPacketOf(packet: CapturedPacket): void {
  assert.ok(Number.isFinite(packet.at) && packet.bytes.length <= Math.min(MAX_PACKET, packet.length));
  const inner = ipv4Of(packet);
  if (typeof inner === "string") assert.ok(LINK_DROPS.has(inner), inner);
  else assert.notEqual(networkName(packet.source, inner.marks), "");
}

const MUTATED =
  "mutated captures: whole packets, then at most one fault of a known name, the same in parts, and nothing throws";

fuzz(MUTATED, { seed: 20021117, rounds: 20_000 }, ({ below, rounds }) => {
  const good = [
    kernel,
    new Uint8Array(readFileSync("core/capture/vectors/kernel-v2.pcapng")),
    new Uint8Array(readFileSync("core/capture/vectors/kernel-v2-nano.pcap")),
    join(
      section(false),
      description(LINK_TYPES.raw, undefined, false),
      enhanced(0, 5, ipv4, false),
      simple(ipv4, false),
    ),
    ...linksAround(ipv4).map(([, packet]) => writePcap(packet.linkType, [packet, packet])),
  ];
  for (let round = 0; round < rounds; round++) {
    const whole = (good[below(good.length)] ?? kernel).slice();
    for (let i = below(4); i >= 0; i--) whole[below(whole.length)] = below(2) === 0 ? below(256) : 255;
    const file = below(4) === 0 ? whole.subarray(0, below(whole.length)) : whole;
    const items = read(file);
    assert.deepEqual(read(file, 1 + below(40)), items);
    assert.ok(items.every((item, i) => typeof item !== "string" || (FAULTS.has(item) && i === items.length - 1)));
    for (const item of items) if (typeof item !== "string") checkPacketOf(item);
  }
});
