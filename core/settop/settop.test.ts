import assert from "node:assert/strict";
import { test } from "node:test";
import { sameBytes, toHex } from "../base/bytes.ts";
import { seconds } from "../base/time.ts";
import { PENDING_STOPS_LIMIT } from "./pending-stops.ts";
import { acknowledgement, busy, CHANNELS, denial, grant, notice, Rig } from "./settop.testkit.ts";

const viewing = (rig: Rig, channel = "one") => {
  const found = rig.settop.status(rig.now).viewings.find((v) => v.channel === channel);
  assert.ok(found !== undefined, `${channel} is not viewed`);
  return found;
};
const drops = (rig: Rig) => rig.settop.status(rig.now).drops;

test("tuning in joins (71) and asks (73) in parallel, and the journal knows the reception before the request leaves", () => {
  const rig = new Rig();
  rig.feed({ kind: "broker", up: true });
  rig.feed({ kind: "tune", channel: "one" });
  assert.deepEqual(rig.kinds(), ["watch", "join", "remember", "send"]);
  const request = rig.lastRequest();
  assert.equal(request.reason, "start");
  assert.equal(request.have, undefined);
  assert.deepEqual(rig.journal, [{ reception: request.reception, channel: "one" }]);
});

test("a grant before the join is installed just the same", () => {
  const rig = new Rig();
  rig.feed({ kind: "broker", up: true });
  rig.feed({ kind: "tune", channel: "one" });
  rig.feed({ kind: "answer", message: grant(rig.lastRequest(), [7]) });
  rig.feed({ kind: "joined", channel: "one" });
  assert.deepEqual(viewing(rig).epochs, [7]);
  assert.equal(viewing(rig).membership.kind, "joined");
});

test("a grant (76) makes a receiver, tells it the position, and installs its epochs", () => {
  const rig = new Rig().tuned();
  rig.kinds();
  rig.feed({ kind: "answer", message: grant(rig.lastRequest(), [7, 8]) });
  assert.deepEqual(rig.kinds(), ["receive", "position", "install", "install", "note"]);
  assert.deepEqual(viewing(rig).epochs, [7, 8]);
  assert.equal(viewing(rig).attempts, 0);
});

test("while the broker is away nothing is sent and nothing is written; when it is there the request leaves", () => {
  const rig = new Rig();
  rig.feed({ kind: "tune", channel: "one" });
  rig.run(60_000);
  assert.deepEqual(rig.kinds(), ["watch", "join"]);
  rig.feed({ kind: "broker", up: true });
  assert.deepEqual(rig.kinds(), ["remember", "send"]);
});

test("a viewing of which no request has left ends without a stop", () => {
  const rig = new Rig();
  rig.feed({ kind: "tune", channel: "one" });
  rig.feed({ kind: "stop", channel: "one" });
  rig.feed({ kind: "broker", up: true });
  assert.deepEqual(rig.sent, []);
  assert.deepEqual(rig.journal, []);
});

test("a lost request is repeated with the same id, first after 0.7 to 1.3 s", () => {
  const rig = new Rig().tuned();
  rig.run(1300);
  const [first, second] = rig.sent;
  assert.ok(first !== undefined && second !== undefined);
  assert.ok(second.at >= 700 && second.at <= 1300, `${second.at}`);
  assert.deepEqual(second.message, first.message);
});

test("an hour without an answer: repeats are at most 10 s apart, and always for the same request", () => {
  const rig = new Rig().tuned();
  rig.run(3_600_000);
  const times = rig.sent.map(({ at }) => at);
  for (let i = 1; i < times.length; i++) assert.ok((times[i] ?? 0) - (times[i - 1] ?? 0) <= 10_000);
  assert.ok(times.length < 3000);
  assert.equal(rig.questions(), 1);
  assert.equal(rig.settop.status(rig.now).viewings.length, 1);
});

test("a duplicated grant and a late one are settop.answer-unexpected and change nothing", () => {
  const rig = new Rig().tuned();
  const answer = grant(rig.lastRequest(), [7]);
  rig.feed({ kind: "answer", message: answer });
  rig.kinds();
  rig.feed({ kind: "answer", message: answer });
  rig.feed({ kind: "answer", message: { ...answer, id: new Uint8Array(16) } });
  assert.deepEqual(rig.kinds(), []);
  assert.equal(drops(rig)["settop.answer-unexpected"], 2);
});

test("an answer for a channel that is no longer viewed installs no key", () => {
  const rig = new Rig().tuned();
  const request = rig.lastRequest();
  rig.feed({ kind: "stop", channel: "one" });
  rig.kinds();
  rig.feed({ kind: "answer", message: grant(request, [7]) });
  assert.deepEqual(rig.kinds(), []);
  assert.equal(drops(rig)["settop.answer-unexpected"], 1);
});

test("messages that are no answers to a set-top are settop.message-unexpected", () => {
  const rig = new Rig().tuned();
  rig.feed({ kind: "answer", message: rig.lastRequest() });
  assert.equal(drops(rig)["settop.message-unexpected"], 1);
});

test("a grant whose keys do not fit its suite, or whose epochs do not rise, is settop.grant-unusable and asked for again", () => {
  for (const bad of [
    { stream: { suite: "AEAD_AES_256_GCM", mkiLength: 4, ssrc: 1, payloadType: 33 } as const },
    { epochs: [...grant(new Rig().tuned().lastRequest(), [8, 7]).epochs] },
  ]) {
    const rig = new Rig().tuned();
    rig.kinds();
    rig.feed({ kind: "answer", message: grant(rig.lastRequest(), [7], bad) });
    assert.deepEqual(rig.kinds(), []);
    assert.equal(drops(rig)["settop.grant-unusable"], 1);
    rig.run(5000);
    assert.equal(rig.questions(), 2);
  }
});

test("a denial leaves the group after the linger, keeps its reason for status, and is retried slowly", () => {
  const rig = new Rig({ linger: seconds(3) }).tuned();
  rig.feed({ kind: "answer", message: denial(rig.lastRequest(), "not-entitled") });
  rig.kinds();
  rig.run(2999);
  assert.deepEqual(rig.kinds(), []);
  rig.run(1);
  assert.deepEqual(rig.kinds(), ["leave"]);
  assert.deepEqual(viewing(rig).verdict, { kind: "denied", reason: "not-entitled", text: "in words" });
  assert.equal(viewing(rig).membership.kind, "left");
  rig.server = (message) => {
    if (message.type === "key.request") rig.feed({ kind: "answer", message: denial(message, "not-entitled") });
  };
  rig.run(3_600_000);
  assert.ok(rig.requests().length >= 6 && rig.requests().length <= 14, `${rig.requests().length} in an hour`);
  assert.deepEqual(
    rig.kinds().filter((kind) => kind === "join" || kind === "install"),
    [],
  );
});

test("a denial in mid-view erases the keys at once: nothing more comes out", () => {
  const rig = new Rig().watching(7);
  rig.feed({ kind: "notice", notice: notice(rig.now, "one", 8) });
  rig.run(1000);
  rig.kinds();
  rig.feed({ kind: "answer", message: denial(rig.lastRequest(), "device.revoked") });
  assert.deepEqual(rig.kinds(), ["silence", "note"]);
  assert.deepEqual(viewing(rig).epochs, []);
});

test("denied before and granted later: the group is joined again and a new receiver made", () => {
  const rig = new Rig().tuned();
  rig.feed({ kind: "answer", message: denial(rig.lastRequest(), "subscriber.inactive") });
  rig.run(40_000);
  rig.kinds();
  rig.feed({ kind: "answer", message: grant(rig.lastRequest(), [9]) });
  assert.deepEqual(rig.kinds(), ["receive", "position", "install", "join", "note"]);
});

test("busy is asked again after its wait, not before, with a new id", () => {
  const rig = new Rig().tuned();
  rig.feed({ kind: "answer", message: busy(rig.lastRequest(), 5000) });
  assert.deepEqual(viewing(rig).verdict, { kind: "busy", reason: "load" });
  rig.run(4999);
  assert.equal(rig.requests().length, 1);
  rig.run(1300);
  assert.equal(rig.requests().length, 2);
  const [first, second] = rig.requests();
  assert.ok(first !== undefined && second !== undefined && !sameBytes(first.id, second.id));
  assert.ok(sameBytes(first.reception, second.reception));
});

test("a server that says busy for ever is asked at most five times a second", () => {
  const rig = new Rig().tuned();
  rig.server = (message) => {
    if (message.type === "key.request") rig.feed({ kind: "answer", message: busy(message, 0) });
  };
  rig.feed({ kind: "answer", message: busy(rig.lastRequest(), 0) });
  rig.run(10_000);
  assert.ok(rig.requests().length <= 51, `${rig.requests().length}`);
});

test("a notice (91) is answered by a request (92) in this device's slot, before the switch", () => {
  const at = (device: string, epoch: number): number => {
    const rig = new Rig({ device }).watching(epoch - 1);
    rig.feed({ kind: "notice", notice: notice(rig.now, "one", epoch, 10_000, 8000) });
    rig.run(10_000);
    const sent = rig.sent.at(-1);
    assert.ok(sent?.message.type === "key.request" && sent.message.reason === "rekey");
    assert.equal(sent.message.have, epoch - 1);
    return rig.sent[1]?.at ?? -1;
  };
  const slots = Array.from({ length: 100 }, (_, i) => at(`box-${i}`, 8));
  for (const slot of slots) assert.ok(slot >= 0 && slot < 8000, `${slot}`);
  for (let fifth = 0; fifth < 5; fifth++)
    assert.ok(slots.filter((slot) => Math.floor(slot / 1600) === fifth).length >= 10, "slots spread over the window");
  assert.equal(at("box-1", 8), at("box-1", 8));
  assert.notEqual(at("box-1", 8), at("box-1", 9));
});

test("a window longer than the time to the switch is cut short", () => {
  for (let i = 0; i < 50; i++) {
    const rig = new Rig({ device: `box-${i}` }).watching(7);
    rig.feed({ kind: "notice", notice: notice(rig.now, "one", 8, 2000, 60_000) });
    rig.run(1750);
    assert.equal(rig.questions(), 2);
  }
});

test("a notice repeated, for an epoch in hand, or older than the grant, is settop.notice-stale", () => {
  const rig = new Rig().watching(7, 8);
  for (const epoch of [8, 7, 3]) rig.feed({ kind: "notice", notice: notice(rig.now, "one", epoch) });
  rig.run(5000);
  assert.equal(rig.requests().length, 1);
  assert.equal(drops(rig)["settop.notice-stale"], 3);
});

test("a notice for a channel that is not viewed is settop.notice-unwatched", () => {
  const rig = new Rig().watching(7);
  rig.feed({ kind: "notice", notice: notice(rig.now, "two", 8) });
  assert.equal(drops(rig)["settop.notice-unwatched"], 1);
});

test("a notice that overtakes the first grant: if the grant lacks its epoch, it is asked for again", () => {
  const rig = new Rig().tuned();
  const request = rig.lastRequest();
  rig.feed({ kind: "notice", notice: notice(rig.now, "one", 8) });
  rig.feed({ kind: "answer", message: grant(request, [7]) });
  rig.run(1000);
  assert.equal(rig.lastRequest().reason, "rekey");
  rig.feed({ kind: "answer", message: grant(rig.lastRequest(), [7, 8]) });
  const asked = rig.requests().length;
  rig.run(60_000);
  assert.equal(rig.requests().length, asked);
});

test("a retained notice that is older than its switch is asked about at once", () => {
  const rig = new Rig().watching(7);
  const old = notice(rig.now, "one", 8, 2000, 2000);
  rig.run(30_000);
  rig.feed({ kind: "notice", notice: old, retained: true });
  rig.run(1);
  assert.equal(rig.lastRequest().reason, "rekey");
});

test("a fresh notice keeps its window although this device and the key server disagree on the hour", () => {
  const at = (device: string): number => {
    const rig = new Rig({ device }).watching(7);
    const fresh = notice(rig.now, "one", 8, 10_000, 8000);
    rig.feed({ kind: "notice", notice: { ...fresh, issued: fresh.issued - 3_600_000 } });
    rig.run(10_000);
    return rig.sent[1]?.at ?? -1;
  };
  const late = Array.from({ length: 50 }, (_, i) => at(`box-${i}`)).filter((slot) => slot > 1000);
  assert.ok(late.length > 30, "they do not all ask at once");
});

test("two notices and ten thousand unknown packets while a request is open stay one request", () => {
  const rig = new Rig().watching(7);
  rig.feed({ kind: "notice", notice: notice(rig.now, "one", 8, 0, 0) });
  rig.feed({ kind: "notice", notice: notice(rig.now, "one", 8, 0, 0) });
  for (let i = 0; i < 10_000; i++)
    rig.feed({ kind: "stream", channel: "one", sign: { kind: "unknown-epoch", epoch: 8 } });
  assert.equal(rig.requests().length, 2);
});

test("an unknown epoch in the stream starts one request within 100 ms; while it stays unknown the gap grows to a minute", () => {
  const rig = new Rig().watching(7);
  rig.server = (message) => {
    if (message.type === "key.request") rig.feed({ kind: "answer", message: grant(message, [7]) });
  };
  const unknown = (): void => {
    rig.feed({ kind: "stream", channel: "one", sign: { kind: "unknown-epoch", epoch: 4_000_000_000 } });
  };
  unknown();
  rig.run(100);
  assert.equal(rig.requests().length, 2);
  assert.equal(rig.lastRequest().reason, "rekey");
  for (let i = 0; i < 36_000; i++) {
    unknown();
    rig.run(100);
  }
  assert.ok(rig.requests().length < 75, `a forger costs ${rig.requests().length} requests an hour`);
});

test("an epoch older than the grant's is no reason to ask: it was erased on purpose", () => {
  const rig = new Rig().watching(7);
  rig.feed({ kind: "stream", channel: "one", sign: { kind: "unknown-epoch", epoch: 5 } });
  rig.run(1000);
  assert.equal(rig.requests().length, 1);
});

test("every rekey learnt only from the stream is asked for within 1.1 s, however often it happens", () => {
  const rig = new Rig().watching(1);
  rig.server = (message) => {
    if (message.type === "key.request") rig.feed({ kind: "answer", message: grant(message, [epoch - 1, epoch]) });
  };
  let epoch = 2;
  for (; epoch < 40; epoch++) {
    rig.feed({ kind: "stream", channel: "one", sign: { kind: "unknown-epoch", epoch } });
    rig.run(1100);
    assert.ok(viewing(rig).epochs.includes(epoch), `epoch ${epoch}`);
    rig.feed({ kind: "stream", channel: "one", sign: { kind: "clear", epoch } });
    rig.run(900);
  }
});

test("the old epoch is erased one overlap after the stream was heard under the new one, not after the notice", () => {
  const rig = new Rig({ overlap: seconds(3) }).watching(7, 8);
  rig.run(60_000);
  assert.deepEqual(viewing(rig).epochs, [7, 8]);
  rig.feed({ kind: "stream", channel: "one", sign: { kind: "clear", epoch: 8 } });
  rig.kinds();
  rig.run(2999);
  assert.deepEqual(rig.kinds(), []);
  rig.run(1);
  assert.deepEqual(rig.kinds(), ["retire"]);
  assert.deepEqual(viewing(rig).epochs, [8]);
});

test("an overlap below 2 s is taken as 2 s", () => {
  const rig = new Rig({ overlap: seconds(0) }).watching(7, 8);
  rig.feed({ kind: "stream", channel: "one", sign: { kind: "clear", epoch: 8 } });
  rig.run(1999);
  assert.deepEqual(viewing(rig).epochs, [7, 8]);
});

test("never more than three epochs: a fourth pushes out the oldest that the grant does not carry", () => {
  const rig = new Rig().watching(5, 6, 7);
  rig.feed({ kind: "notice", notice: notice(rig.now, "one", 8, 0, 0) });
  rig.run(1);
  rig.kinds();
  rig.feed({ kind: "answer", message: grant(rig.lastRequest(), [7, 8]) });
  assert.deepEqual(viewing(rig).epochs, [6, 7, 8]);
  assert.deepEqual(rig.kinds(), ["retire", "position", "install"]);
});

test("a sender that counts anew under an epoch: older ones are erased at once, without the overlap", () => {
  const rig = new Rig().watching(6, 7, 8);
  rig.feed({ kind: "stream", channel: "one", sign: { kind: "clear", epoch: 7 } });
  rig.kinds();
  rig.feed({ kind: "stream", channel: "one", sign: { kind: "began-anew", epoch: 7 } });
  assert.deepEqual(rig.effects.splice(0), [{ kind: "retire", channel: "one", epoch: 6 }]);
  assert.deepEqual(viewing(rig).epochs, [7, 8]);
  rig.run(60_000);
  assert.deepEqual(rig.kinds(), []);
});

test("keys that go no further are overwritten: held already, not asked for, or of no use", () => {
  const rig = new Rig().watching(7);
  const overwritten = ({ epochs }: ReturnType<typeof grant>) =>
    epochs.map(({ masterKey, masterSalt }) => [...masterKey, ...masterSalt].every((octet) => octet === 0));
  rig.feed({ kind: "stream", channel: "one", sign: { kind: "unknown-epoch", epoch: 8 } });
  rig.run(1000);
  const again = grant(rig.lastRequest(), [7, 8]);
  rig.feed({ kind: "answer", message: again });
  assert.deepEqual(overwritten(again), [true, false], "8 is on its way to the data plane, which overwrites it");
  const late = grant(rig.lastRequest(), [7, 8]);
  rig.feed({ kind: "answer", message: late });
  assert.deepEqual(overwritten(late), [true, true]);
  rig.feed({ kind: "stream", channel: "one", sign: { kind: "position-lost" } });
  rig.run(5000);
  const falling = grant(rig.lastRequest(), [9, 8]);
  rig.feed({ kind: "answer", message: falling });
  assert.equal(drops(rig)["settop.grant-unusable"], 1);
  assert.deepEqual(overwritten(falling), [true, true]);
});

test("before refreshWithin runs out the device shows that it is there: refresh", () => {
  const rig = new Rig().tuned();
  rig.feed({ kind: "answer", message: grant(rig.lastRequest(), [7], { refreshWithin: 30_000 }) });
  rig.run(17_999);
  assert.equal(rig.requests().length, 1);
  rig.run(6001);
  assert.equal(rig.questions(), 2);
  assert.equal(rig.lastRequest().reason, "refresh");
});

test("refreshWithin 0 is not a busy loop", () => {
  const rig = new Rig().tuned();
  rig.server = (message) => {
    if (message.type === "key.request")
      rig.feed({ kind: "answer", message: grant(message, [7], { refreshWithin: 0 }) });
  };
  rig.feed({ kind: "answer", message: grant(rig.lastRequest(), [7], { refreshWithin: 0 }) });
  rig.run(10_000);
  assert.ok(rig.requests().length <= 18, `${rig.requests().length}`);
});

test("a lost position is asked for (resync), told to the receiver when it comes, and limited in rate", () => {
  const rig = new Rig().watching(7);
  rig.feed({ kind: "stream", channel: "one", sign: { kind: "position-lost" } });
  rig.run(100);
  assert.equal(rig.lastRequest().reason, "resync");
  rig.kinds();
  rig.feed({ kind: "answer", message: grant(rig.lastRequest(), [7], { position: { roc: 3, seq: 9, age: 0 } }) });
  assert.deepEqual(rig.kinds(), ["position"]);
  for (let i = 0; i < 100; i++) {
    rig.feed({ kind: "stream", channel: "one", sign: { kind: "position-lost" } });
    rig.run(10);
  }
  assert.ok(rig.requests().length <= 3, `${rig.requests().length}`);
});

test("a grant without position (the headend has not reported) is asked again until one has it", () => {
  const rig = new Rig().tuned();
  const { position: _, ...bare } = grant(rig.lastRequest(), [7]);
  rig.feed({ kind: "answer", message: bare });
  rig.run(2000);
  assert.equal(rig.lastRequest().reason, "resync");
  rig.kinds();
  rig.feed({ kind: "answer", message: grant(rig.lastRequest(), [7]) });
  assert.deepEqual(rig.kinds(), ["position"]);
});

test("another SSRC in a grant (the headend was replaced) makes a new receiver with all its keys", () => {
  const rig = new Rig().watching(7);
  rig.feed({ kind: "notice", notice: notice(rig.now, "one", 8, 0, 0) });
  rig.run(1);
  rig.kinds();
  const stream = { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 99, payloadType: 33 } as const;
  rig.feed({ kind: "answer", message: grant(rig.lastRequest(), [7, 8], { stream }) });
  assert.deepEqual(rig.kinds(), ["receive", "position", "install", "install"]);
});

test("a key server that is away over several rekeys: the old key goes on, one request waits, and the first answer mends it", () => {
  const rig = new Rig().watching(7);
  for (let epoch = 8; epoch < 14; epoch++) {
    rig.feed({ kind: "notice", notice: notice(rig.now, "one", epoch) });
    rig.run(5000);
  }
  assert.deepEqual(viewing(rig).epochs, [7]);
  assert.equal(rig.questions(), 2);
  rig.feed({ kind: "answer", message: grant(rig.lastRequest(), [12, 13]) });
  assert.deepEqual(viewing(rig).epochs, [7, 12, 13]);
});

test("a broker that comes back is asked again within a second, and sooner by those who have no key yet", () => {
  const rig = new Rig().tuned();
  rig.feed({ kind: "broker", up: false });
  rig.run(60_000);
  assert.equal(rig.requests().length, 1);
  rig.feed({ kind: "broker", up: true });
  rig.run(200);
  assert.equal(rig.requests().length, 2);
});

test("a reception that the server has ended is begun anew, with a new id and without losing the picture", () => {
  const rig = new Rig().watching(7);
  const before = rig.lastRequest();
  rig.feed({ kind: "notice", notice: notice(rig.now, "one", 8, 0, 0) });
  rig.run(1);
  rig.kinds();
  rig.feed({ kind: "answer", message: denial(rig.lastRequest(), "reception.ended") });
  assert.deepEqual(rig.kinds(), ["note", "remember", "send"]);
  assert.deepEqual(viewing(rig).epochs, [7]);
  assert.equal(rig.lastRequest().reason, "start");
  assert.ok(!sameBytes(rig.lastRequest().reception, before.reception));
  assert.deepEqual(rig.journal, [{ reception: rig.lastRequest().reception, channel: "one" }]);
});

test("a server that ends every reception at once is asked ever more slowly", () => {
  const rig = new Rig().tuned();
  rig.server = (message) => {
    if (message.type === "key.request") rig.feed({ kind: "answer", message: denial(message, "reception.ended") });
  };
  rig.feed({ kind: "answer", message: denial(rig.lastRequest(), "reception.ended") });
  rig.run(3_600_000);
  assert.ok(rig.requests().length < 75, `${rig.requests().length}`);
});

test("stop leaves (81) and tells (83); the reception is over only when it is acknowledged (86)", () => {
  const rig = new Rig().watching(7);
  const { reception } = rig.lastRequest();
  rig.kinds();
  rig.feed({ kind: "stop", channel: "one" });
  assert.deepEqual(rig.kinds(), ["silence", "leave", "unwatch", "note", "remember", "send"]);
  assert.equal(rig.journal.length, 1);
  const [stop] = rig.stops();
  assert.ok(stop !== undefined && sameBytes(stop.reception, reception));
  assert.deepEqual([stop.cause, stop.endedAgo], ["stopped", 0]);
  rig.feed({ kind: "answer", message: acknowledgement(stop) });
  assert.deepEqual(rig.journal, []);
  assert.deepEqual(rig.settop.status(rig.now).pendingStops, []);
  rig.run(600_000);
  assert.equal(rig.stops().length, 1);
});

test("a stop is repeated until it is acknowledged, and says each time how long ago it was", () => {
  const rig = new Rig().watching(7);
  rig.feed({ kind: "stop", channel: "one" });
  const ended = rig.now;
  rig.run(600_000);
  const stops = rig.sent.filter(({ message }) => message.type === "stop");
  assert.ok(stops.length > 10);
  for (const { at, message } of stops)
    assert.equal(message.type === "stop" ? message.endedAgo : -1, Math.round(at - ended));
  assert.equal(new Set(rig.stops().map(({ id }) => toHex(id))).size, 1);
});

test("a repeated acknowledgement, or one for a reception that goes on, is settop.answer-unexpected", () => {
  const rig = new Rig().watching(7);
  const { reception, id } = rig.lastRequest();
  rig.feed({ kind: "answer", message: { type: "stop.acknowledged", id, channel: "one", reception } });
  assert.equal(viewing(rig).verdict.kind, "granted");
  rig.feed({ kind: "stop", channel: "one" });
  const [stop] = rig.stops();
  assert.ok(stop !== undefined);
  rig.feed({ kind: "answer", message: acknowledgement(stop) });
  rig.feed({ kind: "answer", message: acknowledgement(stop) });
  assert.equal(drops(rig)["settop.answer-unexpected"], 2);
});

test("zap: the old stop (83) leaves before the new request (73), neither waits for an answer, one journal write holds both", () => {
  const rig = new Rig().watching(7);
  rig.kinds();
  rig.feed({ kind: "zap", channel: "two" });
  assert.deepEqual(rig.kinds(), ["silence", "leave", "unwatch", "note", "watch", "join", "remember", "send", "send"]);
  assert.deepEqual(
    rig.sent.slice(-2).map(({ message }) => message.type),
    ["stop", "key.request"],
  );
  assert.deepEqual(
    rig.journal.map(({ channel, ended }) => [channel, ended !== undefined]),
    [
      ["one", true],
      ["two", false],
    ],
  );
});

test("zap --from stops only that one, and refuses when that is not viewed, before anything is stopped", () => {
  const rig = new Rig().watching(7);
  rig.feed({ kind: "tune", channel: "two" });
  const [refused] = rig.feed({ kind: "zap", channel: "three", from: "three" });
  assert.deepEqual(refused, { kind: "refused", refusal: "settop.not-tuned", channel: "three" });
  rig.feed({ kind: "zap", channel: "three", from: "one" });
  assert.deepEqual(
    rig.settop.status(rig.now).viewings.map((v) => v.channel),
    ["two", "three"],
  );
});

test("zap away and back: a new reception id, the old stop still pending", () => {
  const rig = new Rig().watching(7);
  const first = rig.lastRequest();
  rig.feed({ kind: "zap", channel: "two" });
  rig.feed({ kind: "zap", channel: "one" });
  assert.ok(!sameBytes(rig.lastRequest().reception, first.reception));
  assert.equal(rig.settop.status(rig.now).pendingStops.length, 2);
});

test("at a concurrent limit of one, the new channel is asked for again as soon as the old stop is acknowledged", () => {
  const rig = new Rig().watching(7);
  rig.feed({ kind: "zap", channel: "two" });
  rig.feed({ kind: "answer", message: denial(rig.lastRequest("two"), "limit.concurrent") });
  const [stop] = rig.stops();
  assert.ok(stop !== undefined);
  rig.feed({ kind: "answer", message: acknowledgement(stop) });
  const asked = rig.requests().filter(({ channel }) => channel === "two");
  assert.equal(asked.length, 2);
  rig.feed({ kind: "answer", message: grant(rig.lastRequest("two"), [3]) });
  rig.run(5000);
  assert.ok(!rig.kinds().slice(-5).includes("leave"));
});

test("commands that cannot be done are refused by name", () => {
  const rig = new Rig({ most: 1 }).tuned();
  const refusal = (event: Parameters<Rig["feed"]>[0]): unknown => {
    const [effect] = rig.feed(event);
    return effect?.kind === "refused" ? effect.refusal : effect;
  };
  assert.equal(refusal({ kind: "tune", channel: "none" }), "settop.unknown-channel");
  assert.equal(refusal({ kind: "tune", channel: "one" }), "settop.already-tuned");
  assert.equal(refusal({ kind: "zap", channel: "one" }), "settop.already-tuned");
  assert.equal(refusal({ kind: "tune", channel: "two" }), "settop.too-many-channels");
  assert.equal(refusal({ kind: "stop", channel: "two" }), "settop.not-tuned");
  rig.feed({ kind: "quit" });
  assert.equal(refusal({ kind: "tune", channel: "two" }), "settop.quitting");
});

test("several channels at once are independent of each other", () => {
  const rig = new Rig().watching(7);
  rig.feed({ kind: "tune", channel: "two" });
  rig.feed({ kind: "answer", message: denial(rig.lastRequest("two"), "not-entitled") });
  assert.equal(viewing(rig).verdict.kind, "granted");
  assert.equal(viewing(rig, "two").verdict.kind, "denied");
});

test("a group that cannot be joined is tried again every 2 s, and the reason is kept", () => {
  const rig = new Rig();
  rig.feed({ kind: "tune", channel: "one" });
  rig.feed({ kind: "join-failed", channel: "one", why: "no such interface" });
  assert.deepEqual(viewing(rig).membership, { kind: "failed", why: "no such interface" });
  rig.kinds();
  rig.run(2000);
  assert.deepEqual(rig.kinds(), ["join"]);
});

test("quit stops everything; finished comes with the last acknowledgement", () => {
  const rig = new Rig().watching(7);
  rig.feed({ kind: "tune", channel: "two" });
  rig.kinds();
  rig.feed({ kind: "quit" });
  assert.ok(!rig.kinds().includes("finished"));
  for (const stop of rig.stops()) rig.feed({ kind: "answer", message: acknowledgement(stop) });
  assert.equal(rig.kinds().filter((kind) => kind === "finished").length, 1);
});

test("a configuration without the channel, or with another group for it, ends its viewing; others go on", () => {
  const rig = new Rig().watching(7);
  rig.feed({ kind: "tune", channel: "two" });
  rig.feed({ kind: "channels", channels: CHANNELS.filter(({ id }) => id !== "one") });
  assert.deepEqual(
    rig.settop.status(rig.now).viewings.map((v) => v.channel),
    ["two"],
  );
  rig.feed({ kind: "channels", channels: CHANNELS.map((c) => (c.id === "two" ? { ...c, port: 6000 } : c)) });
  assert.deepEqual(rig.settop.status(rig.now).viewings, []);
  assert.equal(rig.stops().length, 2);
});

test("a day of zapping without answers: pending stops stay bounded, the oldest are settop.stop-forgotten", () => {
  const rig = new Rig().watching(7);
  for (let i = 0; i < 200; i++) {
    rig.feed({ kind: "zap", channel: i % 2 === 0 ? "two" : "one" });
    rig.run(100);
  }
  assert.equal(rig.settop.status(rig.now).pendingStops.length, PENDING_STOPS_LIMIT);
  assert.equal(rig.journal.length, PENDING_STOPS_LIMIT + 1);
  assert.equal(drops(rig)["settop.stop-forgotten"], 200 - PENDING_STOPS_LIMIT);
});

test("the same seed gives the same log", () => {
  const log = (): string => {
    const rig = new Rig({}, 42).watching(7);
    for (let epoch = 8; epoch < 20; epoch++) {
      rig.feed({ kind: "notice", notice: notice(rig.now, "one", epoch) });
      rig.run(3000);
    }
    return rig.sent.map(({ at, message }) => `${at} ${message.type} ${toHex(message.id)}`).join("\n");
  };
  assert.equal(log(), log());
});
