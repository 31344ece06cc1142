// The joint of a looped transport stream: what ISO/IEC 13818-1 section 2.4.3.5 wants to be marked is, and nothing else is changed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededBelow } from "../base/chance.testkit.ts";
import { LoopJoint, MOST_MARKS } from "./joint.ts";
import { type Made, tsPacket } from "./packet.testkit.ts";
import {
  continuityOf,
  hasPayload,
  isDiscontinuity,
  NULL_PID,
  PCR_HZ,
  PCR_WRAP,
  PIDS,
  pcrOf,
  pidOf,
  TS_PACKET,
} from "./packet.ts";

const MS = PCR_HZ / 1000;
const VIDEO = 0x100;
const SOUND = 0x101;
const OTHER = 0x200;

const streamOf = (made: readonly Made[]): Uint8Array => {
  const stream = new Uint8Array(made.length * TS_PACKET);
  for (const [i, packet] of made.entries()) stream.set(tsPacket(packet), i * TS_PACKET);
  return stream;
};

const packetsOf = (stream: Uint8Array): readonly Uint8Array[] =>
  Array.from({ length: stream.length / TS_PACKET }, (_, i) => stream.subarray(i * TS_PACKET, (i + 1) * TS_PACKET));

/** `passes` passes of `file`, with the marks between them. */
function looped(file: Uint8Array, passes: number, joint = new LoopJoint()): readonly Uint8Array[] {
  const sent: Uint8Array[] = [];
  for (let pass = 0; pass < passes; pass++) {
    if (pass > 0) {
      const marks = new Uint8Array(joint.length).fill(0xa5);
      joint.write(marks, 0);
      sent.push(...packetsOf(marks));
    }
    const played = file.slice();
    joint.follow(played, 0, played.length);
    sent.push(...packetsOf(played));
  }
  return sent;
}

/** The packets at which the counter of a PID is not what 2.4.3.3 says it is. */
function jumps(packets: readonly Uint8Array[]): readonly number[] {
  const last = new Map<number, number>();
  const found: number[] = [];
  for (const [i, packet] of packets.entries()) {
    const pid = pidOf(packet, 0);
    const before = last.get(pid);
    last.set(pid, continuityOf(packet, 0));
    if (pid === NULL_PID || before === undefined) continue;
    if (continuityOf(packet, 0) !== ((before + (hasPayload(packet, 0) ? 1 : 0)) & 15)) found.push(i);
  }
  return found;
}

/** Two programmes with a clock each, the second without a clock in its first packet; null packets; counters that end anywhere. */
const FILE = streamOf([
  { pid: 0, continuity: 3 },
  { pid: SOUND, continuity: 9 },
  { pid: VIDEO, continuity: 15, pcr: 1000 * MS },
  { pid: NULL_PID, continuity: 7 },
  { pid: OTHER, continuity: 4 },
  { pid: OTHER, continuity: 5, pcr: 77_000 * MS },
  { pid: VIDEO, continuity: 0, pcr: 1040 * MS },
  { pid: OTHER, continuity: 6, pcr: 77_030 * MS },
  { pid: VIDEO, continuity: 0, payload: false },
]);

test("each PID begins a new pass with one packet that carries nothing but a discontinuity (2.4.3.5), null packets without", () => {
  const sent = looped(FILE, 3);
  const marks = sent.filter((packet) => isDiscontinuity(packet, 0));
  assert.deepEqual(sent.slice(9, 13), marks.slice(0, 4));
  assert.deepEqual(
    marks.map((mark) => pidOf(mark, 0)),
    [0, VIDEO, SOUND, OTHER, 0, VIDEO, SOUND, OTHER],
  );
  for (const mark of marks) {
    assert.equal(mark[0], 0x47);
    assert.equal(mark[4], 183);
    assert.equal(hasPayload(mark, 0), false);
  }
});

test("the counters of every PID go on through the joints (2.4.3.3)", () => {
  assert.deepEqual(jumps(looped(FILE, 20)), []);
  assert.notDeepEqual(jumps([...packetsOf(FILE), ...packetsOf(FILE)]), [], "unlike those of the file, played twice");
});

test("the clock of each programme begins its new time base in its mark, and runs into its first PCR without a step", () => {
  const marks = looped(FILE, 2).slice(9, 13);
  // 10 ms a packet; the mark of VIDEO stands 3 packets before the pass, its first PCR 2 packets behind its start.
  assert.equal(pcrOf(marks[1] ?? FILE, 0), (1000 - 5 * 10) * MS);
  // 15 ms a packet; 1 packet before, 5 packets behind.
  assert.equal(pcrOf(marks[3] ?? FILE, 0), (77_000 - 6 * 15) * MS);
  assert.equal(pcrOf(marks[0] ?? FILE, 0), undefined);
  assert.equal(pcrOf(marks[2] ?? FILE, 0), undefined);
});

test("a clock that begins with zero was about to wrap (2.4.2.2); one without a rate is told as it begins", () => {
  const wrapped = streamOf([{ pcr: 0 }, { pcr: 10 * MS, continuity: 1 }]);
  assert.equal(pcrOf(looped(wrapped, 2)[2] ?? wrapped, 0), PCR_WRAP - 10 * MS);
  for (const second of [{}, { pcr: 5000 * MS }, { pcr: 60 * MS, discontinuity: true }]) {
    const untold = streamOf([{ pcr: 50 * MS }, { ...second, continuity: 1 }]);
    assert.equal(pcrOf(looped(untold, 2)[2] ?? untold, 0), 50 * MS);
  }
});

test("nothing is changed but counters: payload, clocks, null packets, damaged packets, and gaps that were in the file", () => {
  const damaged = tsPacket({ pid: VIDEO, continuity: 2 });
  damaged[1] = 0x80 | (damaged[1] ?? 0);
  const file = new Uint8Array(FILE.length + 2 * TS_PACKET);
  file.set(FILE);
  file.set(damaged, FILE.length);
  file.set(tsPacket({ pid: SOUND, continuity: 12 }), FILE.length + TS_PACKET);
  const sent = looped(file, 2);
  const again = sent.slice(11 + 4);
  for (const [i, packet] of packetsOf(file).entries()) {
    const counter = pidOf(packet, 0) === NULL_PID ? 0xff : 0xf0;
    const shown = (octets: Uint8Array | undefined) => octets?.map((octet, at) => (at === 3 ? octet & counter : octet));
    assert.deepEqual(shown(again[i]), shown(packet), `packet ${i}`);
  }
  assert.deepEqual(again[9], damaged);
  // The gap before the last packet of SOUND is in both passes: it is the file's own.
  assert.deepEqual(jumps(sent.filter((packet) => pidOf(packet, 0) === SOUND)), [1, 4]);
});

test("a file that is another one in its next pass has counters that go on all the same", () => {
  const joint = new LoopJoint();
  const first = looped(FILE, 1, joint);
  const marks = new Uint8Array(joint.length);
  joint.write(marks, 0);
  const other = streamOf([
    { pid: SOUND, continuity: 2 },
    { pid: VIDEO, continuity: 2 },
    { pid: 0, continuity: 2 },
  ]);
  assert.deepEqual(jumps([...first, ...packetsOf(marks), ...looped(other, 1, joint)]), []);
});

test("a stream of any packets at all has no more marks than fit, and they are whole packets", () => {
  const below = seededBelow(7);
  const joint = new LoopJoint();
  const noise = new Uint8Array(20_000 * TS_PACKET);
  for (let at = 0; at < noise.length; at++) noise[at] = at % TS_PACKET === 0 ? 0x47 : below(256);
  joint.follow(noise, 0, noise.length);
  assert.equal(joint.length, MOST_MARKS * TS_PACKET);
  const marks = new Uint8Array(joint.length);
  joint.write(marks, 0);
  for (const mark of packetsOf(marks)) {
    const pcr = pcrOf(mark, 0) ?? 0;
    assert.ok(mark[0] === 0x47 && pidOf(mark, 0) < PIDS && pcr >= 0 && pcr < PCR_WRAP);
  }
});
