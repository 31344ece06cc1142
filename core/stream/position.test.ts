// Where is the stream? Each test is a failure that other implementations have shown.
import assert from "node:assert/strict";
import { test } from "node:test";
import { writeUint16 } from "../base/bytes.ts";
import { CONFIRMED_BY, SEARCH_AFTER } from "./course.ts";
import { MOST_TRIALS, StreamReceiver } from "./receiver.ts";
import type { StreamSender } from "./sender.ts";
import { masterOf, packetOf, pair, rekey, SSRC, skip, testCiphers } from "./stream.testkit.ts";

const SUITE = "AEAD_AES_128_GCM";

/** A receiver that has the keys of epoch 1 and is told (roc, seq). */
function joiner(roc: number, seq: number): StreamReceiver {
  const receiver = new StreamReceiver({ ciphers: testCiphers, suite: SUITE, mkiLength: 4, ssrc: SSRC });
  const { key, salt } = masterOf(SUITE, 1);
  receiver.install(1, key, salt);
  receiver.position(roc, seq);
  return receiver;
}

test("ROC poisoned by an unauthenticated packet (sipsorcery#1663): forged sequence numbers move nothing", () => {
  const { sender, receiver } = pair(0x4fff0);
  assert.equal(receiver.unprotect(packetOf(sender)), 52);
  const forged = packetOf(sender);
  for (const [sequence, drop] of [
    [0, "srtp.bad-tag"],
    [0xffff, "srtp.bad-tag"],
    [0x7fef, "srtp.bad-tag"],
    [0x8000, "srtp.bad-tag"],
    [0x9000, "srtp.bad-tag"],
  ] as const) {
    const packet = forged.slice();
    writeUint16(packet, 2, sequence);
    assert.equal(receiver.unprotect(packet), drop);
    assert.deepEqual(receiver.highest, { roc: 4, seq: 0xfff0 });
  }
  for (let n = 0; n < 100; n++) assert.equal(receiver.unprotect(packetOf(sender)), 52);
});

test("first packets lost near a wrap (SymphonyMediaBridge#386): told the position before it, joins after it", () => {
  const { sender } = pair(0x2fffe);
  const receiver = joiner(2, 0xfffe);
  skip(sender, 5);
  assert.equal(receiver.unprotect(packetOf(sender)), 52);
  assert.deepEqual(receiver.highest, { roc: 3, seq: 3 });
});

test("ROC reset on rekey (rtpengine#107): the roll-over counter goes on across keys", () => {
  const ends = pair(0x70010);
  assert.equal(ends.receiver.unprotect(packetOf(ends.sender)), 52);
  rekey(ends, 2);
  assert.equal(ends.receiver.unprotect(packetOf(ends.sender)), 52);
  assert.deepEqual(ends.receiver.highest, { roc: 7, seq: 0x11 });
});

test("rekey exactly across a wrap of the sequence number, with packets of both keys out of order", () => {
  const ends = pair(0x2fffc);
  const before = [packetOf(ends.sender), packetOf(ends.sender), packetOf(ends.sender), packetOf(ends.sender)];
  rekey(ends, 2);
  const after = [packetOf(ends.sender), packetOf(ends.sender)];
  for (const packet of [before[0], before[2], after[1], before[1], after[0], before[3]]) {
    assert.equal(ends.receiver.unprotect(packet ?? new Uint8Array()), 52);
  }
  assert.equal(ends.receiver.statistics.lost, 0);
  assert.deepEqual(ends.receiver.highest, { roc: 3, seq: 1 });
});

test("a key that arrives late (oscam-patched-old#94): the picture goes on with the first packet after it", () => {
  const { sender, receiver } = pair();
  assert.equal(receiver.unprotect(packetOf(sender)), 52);
  const { key, salt } = masterOf(SUITE, 2);
  sender.install(2, key, salt);
  sender.switchTo(2);
  for (let n = 0; n < 40; n++) assert.equal(receiver.unprotect(packetOf(sender)), "srtp.unknown-mki");
  receiver.install(2, key, salt);
  assert.equal(receiver.unprotect(packetOf(sender)), 52);
  assert.equal(receiver.positionLost, false);
});

test("key change without stopping the stream (tsduck#1141): 50 keys, every packet opens", () => {
  const ends = pair(0xff00);
  for (let epoch = 2; epoch < 52; epoch++) {
    rekey(ends, epoch);
    for (let n = 0; n < 20; n++) assert.equal(ends.receiver.unprotect(packetOf(ends.sender)), 52);
  }
  assert.equal(ends.receiver.statistics.lost, 0);
});

test("late join (libsrtp#608, Kurento#587): a position one turn too low, or one too high, is corrected by the first packet", () => {
  for (const roc of [6, 7, 8]) {
    const { sender } = pair(0x70100);
    const receiver = joiner(roc, 0x100);
    assert.equal(receiver.unprotect(packetOf(sender)), 52);
    assert.deepEqual(receiver.highest, { roc: 7, seq: 0x100 });
  }
});

test("a first packet that is forged does not spoil the join", () => {
  const { sender } = pair(0x70100);
  const receiver = joiner(7, 0x100);
  const forged = packetOf(sender);
  forged[20] = (forged[20] ?? 0) ^ 1;
  assert.equal(receiver.unprotect(forged), "srtp.bad-tag");
  assert.equal(receiver.unprotect(packetOf(sender)), 52);
});

test("a position that is two turns too low is found out without asking; one that is too high is reported as lost after 16 packets", () => {
  const { sender } = pair(0x70100);
  const low = joiner(5, 0x100);
  assert.ok(opensWithin(low, sender, SEARCH_AFTER + 3));
  const high = joiner(9, 0x100);
  for (let n = 0; n < 15; n++) assert.equal(high.unprotect(packetOf(sender)), "srtp.bad-tag");
  assert.equal(high.positionLost, false);
  high.unprotect(packetOf(sender));
  assert.equal(high.positionLost, true);
  high.position(7, 0x100);
  assert.equal(high.positionLost, false);
  assert.equal(high.unprotect(packetOf(sender)), 52);
});

/** Whether one of the next `most` packets opens, and from it on all. */
function opensWithin(receiver: StreamReceiver, sender: StreamSender, most: number): boolean {
  const results = Array.from({ length: most + 20 }, () => receiver.unprotect(packetOf(sender)));
  const first = results.indexOf(52);
  return first >= 0 && first < most && results.slice(first).every((result) => result === 52);
}

test("336 packets lost over a wrap: the next one opens", () => {
  const { sender, receiver } = pair(0x1ff80);
  for (let n = 0; n < 10; n++) receiver.unprotect(packetOf(sender));
  skip(sender, 336);
  assert.equal(receiver.unprotect(packetOf(sender)), 52);
  assert.equal(receiver.statistics.lost, 336);
});

test("a SEQ wrap inside an outage (werift recovers from none), more than 2^15, one turn and two: it opens unaided", () => {
  for (const missed of [600, 20_000, 32_769, 40_000, 65_536, 90_000, 131_077, 400_000]) {
    const { sender, receiver } = pair(0x1f000);
    assert.equal(receiver.unprotect(packetOf(sender)), 52);
    skip(sender, missed);
    const most = SEARCH_AFTER + Math.ceil(7 / (MOST_TRIALS - 1)) * CONFIRMED_BY;
    assert.ok(opensWithin(receiver, sender, most), `after ${missed} missed packets`);
    assert.equal(receiver.positionLost, false);
  }
});

test("a late joiner after many wraps is given the ROC and needs nothing else", () => {
  const { sender } = pair(0x1234_5678_9abc);
  const receiver = joiner(0x1234_5678, 0x9a00);
  assert.equal(receiver.unprotect(packetOf(sender)), 52);
});

test("an outage of more turns than are tried is reported as lost; the position from the next grant repairs it", () => {
  const { sender, receiver } = pair(0x11000);
  assert.equal(receiver.unprotect(packetOf(sender)), 52);
  skip(sender, 9 * 0x10000);
  for (let n = 0; n < 16; n++) assert.notEqual(receiver.unprotect(packetOf(sender)), 52);
  assert.equal(receiver.positionLost, true);
  const { roc, seq } = sender.position();
  receiver.position(roc, seq);
  assert.equal(receiver.unprotect(packetOf(sender)), 52);
  assert.equal(receiver.statistics.resynchronised, 1);
});

test("a second path (ST 2022-7) that is 400 packets behind: each packet once, and what the first lost is filled in", () => {
  const { sender, receiver } = pair(0xff00);
  const packets = Array.from({ length: 2000 }, (_, n) => packetOf(sender, n));
  const lost = (n: number): boolean => n % 50 === 7 || (n > 600 && n < 1000);
  for (let n = 0; n < 2400; n++) {
    if (n < 2000 && !lost(n)) receiver.unprotect((packets[n] ?? new Uint8Array()).slice());
    if (n >= 400) receiver.unprotect((packets[n - 400] ?? new Uint8Array()).slice());
  }
  const { received, lost: missing, duplicated, undecryptable } = receiver.statistics;
  const once = packets.filter((_, n) => lost(n)).length;
  assert.deepEqual([received, missing, duplicated, undecryptable], [2000, 0, 2000 - once, 0]);
});

test("a sender that started again far ahead is followed from the position in the grant of its new epoch", () => {
  const { receiver, sender } = pair(0x11000);
  assert.equal(receiver.unprotect(packetOf(sender)), 52);
  const restarted = pair(0x900_0000);
  const { key, salt } = masterOf(SUITE, 2);
  restarted.sender.install(2, key, salt);
  restarted.sender.switchTo(2);
  assert.equal(receiver.unprotect(packetOf(restarted.sender)), "srtp.unknown-mki");
  receiver.install(2, key, salt);
  receiver.position(0x900, 0);
  assert.equal(receiver.unprotect(packetOf(restarted.sender)), 52);
});

/** The packets of a new beginning that only confirm it. */
const UNBELIEVED = CONFIRMED_BY - 1;

function unbelieved(receiver: StreamReceiver, sender: StreamSender): void {
  for (let n = 0; n < UNBELIEVED; n++) assert.equal(receiver.unprotect(packetOf(sender)), "srtp.unconfirmed");
}

/** The receiver has heard epoch 1 at 5 * 2^16; the sender has started anew at `firstIndex`, with epoch 2. */
function restartedBehind(firstIndex: number) {
  const { receiver, sender } = pair(0x50000);
  const recorded = Array.from({ length: 20 }, () => packetOf(sender));
  for (const packet of recorded) assert.equal(receiver.unprotect(packet.slice()), 52);
  const restarted = pair(firstIndex).sender;
  const { key, salt } = masterOf(SUITE, 2);
  restarted.install(2, key, salt);
  restarted.switchTo(2);
  receiver.install(2, key, salt);
  const { roc, seq } = restarted.position();
  receiver.position(roc, seq);
  return { receiver, restarted, recorded };
}

test("a sender that started again further back (ROC 0, or a clock that was not set) is followed from the grant of its new epoch", () => {
  for (const firstIndex of [0, 0x3fff0, 0x50000 - 1500, 0x50005]) {
    const { receiver, restarted } = restartedBehind(firstIndex);
    unbelieved(receiver, restarted);
    for (let n = UNBELIEVED; n < 100; n++)
      assert.equal(receiver.unprotect(packetOf(restarted)), 52, `${firstIndex} + ${n}`);
    const { received, lost, resynchronised } = receiver.statistics;
    const expected = { received: 120 - UNBELIEVED, lost: 0, resynchronised: 1 };
    assert.deepEqual({ received, lost, resynchronised }, expected);
  }
});

test("after a start further back nothing of the keys before can come again, nor what has come since", () => {
  const { receiver, restarted, recorded } = restartedBehind(0);
  unbelieved(receiver, restarted);
  const since = Array.from({ length: 3 }, () => packetOf(restarted));
  for (const packet of since) assert.equal(receiver.unprotect(packet.slice()), 52);
  for (const packet of recorded) assert.equal(receiver.unprotect(packet), "srtp.unknown-mki");
  for (const packet of since) assert.equal(receiver.unprotect(packet), "srtp.replayed");
});

test("a position further back is not believed of a key that has been heard ahead", () => {
  const { receiver, restarted } = restartedBehind(0x10000);
  unbelieved(receiver, restarted);
  const first = packetOf(restarted);
  assert.equal(receiver.unprotect(first.slice()), 52);
  for (let n = 0; n < 1100; n++) assert.equal(receiver.unprotect(packetOf(restarted)), 52);
  receiver.position(1, 0);
  assert.equal(typeof receiver.unprotect(first), "string");
  assert.deepEqual(receiver.highest, { roc: 1, seq: 1100 + UNBELIEVED });
});

test("a position cannot make the receiver take old packets again", () => {
  const { receiver, sender } = pair(0x50000);
  const recorded = Array.from({ length: 2000 }, () => packetOf(sender));
  for (const packet of recorded) assert.equal(receiver.unprotect(packet.slice()), 52);
  receiver.position(2, 0);
  for (const packet of recorded) assert.equal(typeof receiver.unprotect(packet.slice()), "string");
  assert.equal(receiver.statistics.received, 2000);
});
