import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fuzz } from "../base/fuzz.testkit.ts";
import { TsPacer } from "./pacer.ts";
import { tsPacket, tsStream } from "./packet.testkit.ts";
import { findSync, isDiscontinuity, PCR_HZ, PCR_WRAP, pcrOf, pidOf, TS_PACKET } from "./packet.ts";

/** A packet lasts 1 ms. */
const MS = PCR_HZ / 1000;

const scanned = (stream: Uint8Array, pacer = new TsPacer()): TsPacer => {
  pacer.scan(stream, 0, stream.length);
  return pacer;
};

test("a PCR reads back, up to its wrap, with PID and discontinuity (ISO/IEC 13818-1 2.4.3.4)", () => {
  for (const pcr of [0, 1, 299, 300, 301, PCR_WRAP - 1]) {
    const packet = tsPacket({ pid: 0x1ffe, pcr, discontinuity: true });
    assert.equal(pcrOf(packet, 0), pcr);
    assert.equal(pidOf(packet, 0), 0x1ffe);
    assert.equal(isDiscontinuity(packet, 0), true);
  }
  assert.equal(pcrOf(tsPacket({}), 0), undefined);
  assert.equal(pcrOf(tsPacket({ discontinuity: true }), 0), undefined);
});

test("an adaptation field too short for a PCR has none, whatever its flags say", () => {
  const packet = tsPacket({ pcr: 1234 });
  packet[4] = 6;
  assert.equal(pcrOf(packet, 0), undefined);
});

test("sync is found behind leading rubbish that holds false sync octets", () => {
  const stream = new Uint8Array(50 + 5 * TS_PACKET).fill(0x47, 0, 3);
  stream.set(tsStream(5, 2, MS), 50);
  assert.equal(findSync(stream, 0, stream.length, 5), 50);
  assert.equal(findSync(new Uint8Array(2000), 0, 2000, 5), -1);
});

test("each octet is due in proportion between two PCRs, also before the first PCR", () => {
  const stream = tsStream(101, 10, MS, 5_000_000);
  const late = new Uint8Array(stream.length + 3 * TS_PACKET);
  late.set(tsStream(3, 99, MS).map((octet, i) => (i % TS_PACKET === 3 ? 0x10 : octet)));
  late.set(stream, 3 * TS_PACKET);
  const pacer = scanned(late);
  for (const packet of [0, 1, 5, 10, 37, 103]) assert.ok(Math.abs(pacer.dueAt(packet * TS_PACKET) - packet) < 1e-6);
});

test("a rate that changes is followed interval by interval", () => {
  const slow = tsStream(11, 10, 4 * MS);
  const fast = tsStream(11, 10, MS, 40 * MS);
  const stream = new Uint8Array(21 * TS_PACKET);
  stream.set(slow);
  stream.set(fast.subarray(TS_PACKET), 11 * TS_PACKET);
  const pacer = scanned(stream);
  assert.ok(Math.abs(pacer.dueAt(5 * TS_PACKET) - 20) < 1e-6);
  assert.ok(Math.abs(pacer.dueAt(10 * TS_PACKET) - 40) < 1e-6);
  assert.ok(Math.abs(pacer.dueAt(15 * TS_PACKET) - 45) < 1e-6);
});

test("a looped file goes on without a gap where its PCRs begin again", () => {
  const pacer = new TsPacer();
  const stream = tsStream(40, 5, MS, 900_000);
  for (let loop = 0; loop < 3; loop++) scanned(stream, pacer);
  for (let packet = 0; packet < 120; packet += 7) assert.ok(Math.abs(pacer.dueAt(packet * TS_PACKET) - packet) < 1e-6);
});

test("a PCR that wraps after 26.5 hours is no discontinuity", () => {
  const pacer = new TsPacer();
  const stream = new Uint8Array(3 * TS_PACKET);
  stream.set(tsPacket({ pcr: PCR_WRAP - 2 * MS }));
  stream.set(tsPacket({}), TS_PACKET);
  stream.set(tsPacket({ pcr: 2 * MS }), 2 * TS_PACKET);
  assert.ok(Math.abs(scanned(stream, pacer).dueAt(2 * TS_PACKET) - 4) < 1e-6);
});

test("the clocks of other programmes are left alone", () => {
  const pacer = new TsPacer();
  const packets = [
    tsPacket({ pid: 1, pcr: 0 }),
    tsPacket({ pid: 2, pcr: 77 * MS }),
    tsPacket({ pid: 1, pcr: 2 * MS }),
    tsPacket({ pid: 2, pcr: 78 * MS }),
    tsPacket({ pid: 1, pcr: 4 * MS }),
  ];
  for (const packet of packets) pacer.scan(packet, 0, TS_PACKET);
  assert.ok(Math.abs(pacer.dueAt(4 * TS_PACKET) - 4) < 1e-6);
});

test("an absurd PCR costs what it claims, not minutes: what follows a new time base is not stretched by it", () => {
  const pacer = new TsPacer();
  scanned(tsStream(400, 40, MS), pacer);
  // 400 packets last 400 ms; then two PCRs that stand together claim 990 ms, and the clock goes back.
  scanned(tsPacket({ pcr: 361 * MS }), pacer);
  scanned(tsPacket({ pcr: 1351 * MS }), pacer);
  for (let i = 0; i < 40; i++) scanned(tsPacket({}), pacer);
  scanned(tsStream(100, 40, MS, 402 * MS), pacer);
  const due = pacer.dueAt(500 * TS_PACKET);
  assert.ok(due < 500 + 1250, `${due} ms`);
});

test("a fixed bitrate paces anything, whatever its PCRs say", () => {
  const pacer = new TsPacer(8_000_000);
  pacer.scan(tsStream(10, 2, 99 * MS), 0, 10 * TS_PACKET);
  assert.equal(pacer.dueAt(1000), 1);
});

test("one PCR is not a rate, and asking all the same is our own mistake", () => {
  const pacer = scanned(tsPacket({ pcr: 5 }));
  assert.equal(pacer.known, false);
  assert.throws(() => pacer.dueAt(0), RangeError);
});

test("anchors that have been passed are released, and their number is limited", () => {
  const pacer = new TsPacer();
  scanned(tsStream(20_000, 2, MS), pacer);
  pacer.release(19_990 * TS_PACKET);
  assert.ok(Math.abs(pacer.dueAt(19_995 * TS_PACKET) - 19_995) < 1e-6);
});

test("the sample file lasts its ten seconds", () => {
  const stream = new Uint8Array(readFileSync("scripts/sample/test-card.mpegts"));
  const pacer = scanned(stream);
  const length = pacer.dueAt(stream.length);
  assert.ok(length > 9_000 && length < 11_000, `${length} ms`);
});

const FINITE = "mutated packets never break the pacer: what is due stays a finite time";

fuzz(FINITE, { seed: 1, rounds: 50_000 }, ({ below, rounds }) => {
  const pacer = new TsPacer();
  scanned(tsStream(10, 2, MS), pacer);
  for (let i = 0; i < rounds; i++) {
    const packet = tsPacket({ pcr: i * MS });
    for (let n = below(3); n > 0; n--) packet[below(14)] = below(256);
    pacer.scan(packet, 0, TS_PACKET);
    const due = pacer.dueAt(pacer.scanned);
    assert.ok(Number.isFinite(due) && due >= 0, `${due} after packet ${i}`);
    pacer.release(pacer.scanned - 20 * TS_PACKET);
  }
});
