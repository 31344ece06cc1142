// What a member of the group can do to the others with packets that authenticate, and what they make of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../base/fuzz.testkit.ts";
import { CONFIRMED_BY, NEAR } from "./course.ts";
import type { StreamReceiver } from "./receiver.ts";
import type { StreamSender } from "./sender.ts";
import { packetOf, pair, rekey, rogueAt, skip } from "./stream.testkit.ts";

const AT = 0x50000;

/** A stream that has been heard for a while, and is vouched for. */
function heard(packets = 300) {
  const ends = pair(AT);
  genuine(ends, packets);
  return ends;
}

/** So many packets of the sender open, every one. */
function genuine({ sender, receiver }: { sender: StreamSender; receiver: StreamReceiver }, count: number): void {
  for (let n = 0; n < count; n++) assert.equal(receiver.unprotect(packetOf(sender)), 52, `genuine packet ${n}`);
}

const nextOf = (sender: StreamSender): number => sender.position().roc * 0x10000 + sender.position().seq + 1;

test("one rogue packet far ahead, whatever the distance, costs not one packet of the stream", () => {
  for (const ahead of [NEAR + 1, 1025, 28_000, 32_767, 32_768, 65_536, 2 ** 40]) {
    const ends = heard();
    const result = ends.receiver.unprotect(rogueAt(nextOf(ends.sender) + ahead));
    assert.ok(result === "srtp.unconfirmed" || result === "srtp.bad-tag" || result === "srtp.too-old", `${result}`);
    genuine(ends, 3000);
    assert.equal(ends.receiver.statistics.lost, 0);
  }
});

test("a rogue packet after each of the stream, ahead by any distance and rising: not one packet of the stream is lost", () => {
  for (const ahead of [400, 28_000]) {
    const ends = heard();
    for (let n = 1; n < 200; n++) {
      ends.receiver.unprotect(rogueAt(nextOf(ends.sender) + ahead + n * 400));
      genuine(ends, 1);
    }
    assert.equal(ends.receiver.statistics.lost, 0);
  }
});

test("a rogue that confirms itself between two packets of the stream: four packets later the course is back, and nothing counts as lost but three", () => {
  for (const ahead of [2000, 28_000]) {
    const ends = heard();
    for (let n = 0; n < 10; n++) ends.receiver.unprotect(rogueAt(nextOf(ends.sender) + ahead + n));
    assert.equal(ends.receiver.statistics.received, 300 + 10 - (CONFIRMED_BY - 1));
    for (let n = 1; n < CONFIRMED_BY; n++)
      assert.equal(ends.receiver.unprotect(packetOf(ends.sender)), "srtp.unconfirmed");
    genuine(ends, 1000);
    assert.equal(ends.receiver.statistics.lost, CONFIRMED_BY - 1);
  }
});

test("after the course is back, what either place had taken is not taken again", () => {
  const ends = heard();
  const first = nextOf(ends.sender) + 28_000;
  const rogues = Array.from({ length: 10 }, (_, n) => rogueAt(first + n));
  for (const packet of rogues) ends.receiver.unprotect(packet.slice());
  const own = Array.from({ length: 20 }, () => packetOf(ends.sender));
  for (const packet of own) ends.receiver.unprotect(packet.slice());
  for (const packet of own.slice(CONFIRMED_BY - 1)) assert.equal(ends.receiver.unprotect(packet), "srtp.replayed");
  for (const packet of rogues.slice(CONFIRMED_BY - 1)) assert.equal(ends.receiver.unprotect(packet), "srtp.replayed");
});

test("an outsider who repeats what came before and after an outage moves nothing", () => {
  const { sender, receiver } = pair(AT);
  const before = Array.from({ length: 300 }, () => packetOf(sender));
  skip(sender, 5000);
  const after = Array.from({ length: 40 }, () => packetOf(sender));
  for (const packet of [...before, ...after]) receiver.unprotect(packet.slice());
  const at = receiver.highest;
  for (const packet of [...before, ...after.slice(CONFIRMED_BY - 1)])
    assert.ok(["srtp.replayed", "srtp.too-old", "srtp.bad-tag"].includes(`${receiver.unprotect(packet.slice())}`));
  assert.deepEqual(receiver.highest, at);
});

test("the server's position takes a leap back at once", () => {
  const ends = heard();
  for (let n = 0; n < CONFIRMED_BY; n++) ends.receiver.unprotect(rogueAt(nextOf(ends.sender) + 28_000 + n));
  assert.equal(ends.receiver.highest?.seq, (300 + 28_000 + CONFIRMED_BY - 1) & 0xffff);
  const { roc, seq } = ends.sender.position();
  ends.receiver.position(roc, seq);
  genuine(ends, 1000);
  assert.equal(ends.receiver.statistics.lost, 0);
});

test("where a leap has long been believed and nothing genuine opens, the server's position pulls the course back", () => {
  const ends = heard();
  const first = nextOf(ends.sender) + 28_000;
  for (let n = 0; n < 1000; n++) ends.receiver.unprotect(rogueAt(first + n));
  for (let n = 0; n < 16; n++) assert.equal(ends.receiver.unprotect(packetOf(ends.sender)), "srtp.too-old");
  assert.equal(ends.receiver.positionLost, true);
  const { roc, seq } = ends.sender.position();
  ends.receiver.position(roc, seq);
  genuine(ends, 1000);
});

test("a position that is old pulls nothing back while the stream opens", () => {
  const ends = heard();
  skip(ends.sender, 20_000);
  for (let n = 1; n < CONFIRMED_BY; n++) ends.receiver.unprotect(packetOf(ends.sender));
  genuine(ends, 300);
  ends.receiver.position(AT / 0x10000, 300);
  genuine(ends, 300);
});

test("joined on a rogue packet: the next of the stream opens, by the position that was told", () => {
  const { sender } = pair(AT);
  const { receiver } = pair(AT);
  assert.equal(receiver.unprotect(rogueAt(AT + 28_000)), 52);
  for (let n = 0; n < 500; n++) assert.equal(receiver.unprotect(packetOf(sender)), 52);
});

test("a rogue packet under the next key, where the sender might begin anew, does not end the present one", () => {
  const ends = heard(2000);
  const next = pair(AT);
  rekey({ sender: next.sender, receiver: ends.receiver }, 2);
  ends.receiver.position(AT / 0x10000, 1900);
  assert.equal(ends.receiver.unprotect(rogueAt(AT + 900, 2)), "srtp.unconfirmed");
  genuine(ends, 100);
  assert.equal(ends.receiver.oldestEpoch, 0);
});

test("another SSRC under the group's key is refused before anything is tried", () => {
  const ends = heard();
  const packet = packetOf(ends.sender);
  packet[8] = (packet[8] ?? 0) ^ 0x80;
  assert.equal(ends.receiver.unprotect(packet), "srtp.ssrc");
  genuine(ends, 10);
});

fuzz(
  "loss, outages, a second path, rogues near and far, repetitions of anything, and the server's word: no packet of the stream opens twice, and it goes on",
  { seed: 4711, rounds: 10_000 },
  ({ below, rounds }) => {
    const ends = heard(10);
    const { sender, receiver } = ends;
    const sent: Uint8Array[] = [];
    const opened = new Set<Uint8Array>();
    const offer = (packet: Uint8Array): void => {
      if (receiver.unprotect(packet.slice()) !== 52) return;
      assert.ok(!opened.has(packet), "opened twice");
      opened.add(packet);
    };
    const acts = [
      ...Array<() => void>(12).fill(() => {
        sent.push(packetOf(sender));
        if (below(20) > 0) offer(sent.at(-1) ?? new Uint8Array());
      }),
      () => offer(sent.at(-1 - below(40)) ?? packetOf(sender)),
      () => offer(sent[below(sent.length)] ?? packetOf(sender)),
      () => {
        const first = nextOf(sender) + below(3) * below(30_000) + below(600);
        for (let n = below(below(20) === 0 ? 400 : 8); n >= 0; n--) receiver.unprotect(rogueAt(first + n));
      },
      () => {
        for (let n = below(40) === 0 ? below(90_000) : below(4); n > 0; n -= 5000) skip(sender, Math.min(5000, n));
      },
      () => {
        const { roc, seq } = sender.position();
        if (below(10) === 0) receiver.position(roc, seq);
      },
    ];
    for (let round = 0; round < rounds; round++) acts[below(acts.length)]?.();
    const { roc, seq } = sender.position();
    for (let n = 0; n < 40; n++) receiver.unprotect(packetOf(sender));
    receiver.position(roc, seq);
    // Rogues may have taken the places of the next ones.
    for (let n = 0; n < 3 * NEAR; n++) receiver.unprotect(packetOf(sender));
    genuine(ends, 100);
  },
);
