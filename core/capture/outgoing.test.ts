// Frames for a wire: as captured where that was an Ethernet, made anew where not; and a wire that loses and reorders them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { toHex } from "../base/bytes.ts";
import { unixTime } from "../base/time.ts";
import { ethernet, query, report } from "../igmp/igmp.testkit.ts";
import type { CapturedPacket } from "./captured-packet.ts";
import { Impairment } from "./impairment.ts";
import { LINK_TYPES } from "./link-type.ts";
import { frameToSend } from "./outgoing.ts";

const captured = (linkType: number, bytes: Uint8Array, length = bytes.length): CapturedPacket => ({
  at: unixTime(0),
  linkType,
  source: undefined,
  bytes,
  length,
});

const JOIN = report("10.0.0.9", ["to-ex", "239.129.1.1"]);
const FRAME = ethernet("02:00:00:00:00:09", JOIN);
const UDP = Uint8Array.from([0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);

function sent(linkType: number, bytes: Uint8Array, all = false): string {
  const frame = frameToSend(captured(linkType, bytes), all);
  return typeof frame === "string" ? frame : toHex(frame);
}

test("an Ethernet frame goes out as it was captured, its tags too", () => {
  const tagged = Uint8Array.from([...FRAME.subarray(0, 12), 0x81, 0, 0, 100, ...FRAME.subarray(12)]);
  assert.equal(sent(LINK_TYPES.ethernet, tagged), toHex(tagged));
});

test("another link's packet gets the group's MAC, and that of its sender or one made of the sender's address", () => {
  assert.equal(sent(LINK_TYPES.raw, JOIN), `01005e00001602000a0000090800${toHex(JOIN)}`);
  assert.equal(sent(LINK_TYPES.raw, query("10.0.0.1")), `01005e00000102000a0000010800${toHex(query("10.0.0.1"))}`);
  const cooked = Uint8Array.from([0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 7, 0, 0, 8, 0, ...JOIN, 0xee, 0xee]);
  assert.equal(sent(LINK_TYPES.linuxSll, cooked), `01005e0000160200000000070800${toHex(JOIN)}`, "without padding");
});

test("the group's upper bits do not reach its MAC; what is for one host goes to all", () => {
  const header = [0x45, 0, 0, 20, 0, 0, 0, 0, 1, 2, 0, 0, 10, 0, 0, 9];
  const to = (...destination: number[]): string => sent(LINK_TYPES.raw, Uint8Array.from([...header, ...destination]));
  assert.ok(to(239, 255, 1, 2).startsWith("01005e7f0102"));
  assert.ok(to(10, 0, 0, 2).startsWith("ffffffffffff"));
});

test("IGMP alone, or everything that an Ethernet can carry", () => {
  assert.equal(sent(LINK_TYPES.raw, UDP), "not-igmp");
  assert.equal(sent(LINK_TYPES.raw, UDP, true), `ffffffffffff02000a0000010800${toHex(UDP)}`);
  assert.equal(sent(195, FRAME), "not-igmp");
  assert.equal(sent(195, FRAME, true), "no-packet");
});

test("what the capture has not all of is not sent", () => {
  assert.equal(frameToSend(captured(LINK_TYPES.ethernet, FRAME, FRAME.length + 1), false), "cut");
  assert.equal(sent(LINK_TYPES.raw, JOIN.subarray(0, 30)), "cut");
  assert.equal(sent(LINK_TYPES.raw, UDP.subarray(0, 10), true), "no-packet");
});

/** What comes out of a wire into which the frames 0 to `count` - 1 go. */
function through(impairment: Impairment, count: number): number[] {
  const frames = Array.from({ length: count }, (_, i) => Uint8Array.of(i >>> 8, i));
  const out = [...frames.flatMap((frame) => impairment.pass(frame)), ...impairment.flush()];
  return out.map(([high = 0, low = 0]) => high * 256 + low);
}

test("a good wire changes nothing", () => {
  const wire = new Impairment({ loss: 0, reorder: 0 }, new SeededEntropy(1));
  assert.deepEqual(through(wire, 5), [0, 1, 2, 3, 4]);
});

test("loss takes its share, and what is left stays in order", () => {
  const wire = new Impairment({ loss: 0.25, reorder: 0 }, new SeededEntropy(1));
  const out = through(wire, 10_000);
  assert.equal(out.length + wire.lost, 10_000);
  assert.ok(wire.lost > 2300 && wire.lost < 2700, String(wire.lost));
  assert.deepEqual(
    out,
    out.toSorted((a, b) => a - b),
  );
  assert.deepEqual(through(new Impairment({ loss: 1, reorder: 0 }, new SeededEntropy(1)), 10), []);
});

test("a reordered frame is overtaken by one to three that are not held back themselves; none is lost", () => {
  const wire = new Impairment({ loss: 0, reorder: 0.05 }, new SeededEntropy(3));
  const out = through(wire, 2000);
  assert.deepEqual(
    out.toSorted((a, b) => a - b),
    Array.from({ length: 2000 }, (_, i) => i),
  );
  const held = new Set(out.filter((frame, at) => out.slice(0, at).some((other) => other > frame)));
  assert.equal(held.size, wire.reordered);
  const overtaking = [...held].map((frame) => {
    const before = out.slice(0, out.indexOf(frame));
    return before.filter((other) => other > frame && !held.has(other)).length;
  });
  assert.deepEqual([...new Set(overtaking)].sort(), [1, 2, 3]);
  assert.deepEqual(through(new Impairment({ loss: 0, reorder: 1 }, new SeededEntropy(3)), 4), [0, 1, 2, 3]);
});

test("the same seed, the same misfortune", () => {
  const out = (seed: number) => through(new Impairment({ loss: 0.1, reorder: 0.1 }, new SeededEntropy(seed)), 500);
  assert.deepEqual(out(7), out(7));
  assert.notDeepEqual(out(7), out(8));
});
