import assert from "node:assert/strict";
import { test } from "node:test";
import { sameBytes, toHex } from "../base/bytes.ts";
import { ipv4 } from "../base/ipv4.ts";
import { seconds } from "../base/time.ts";
import { PENDING_STOPS_LIMIT } from "./pending-stops.ts";
import { acknowledgement, busy, CHANNELS, denial, grant, keyOf, notice, SimulatedSettop } from "./settop.testkit.ts";

const viewing = (simulated: SimulatedSettop, channel = "one") => {
  const found = simulated.settop.status(simulated.now).viewings.find((v) => v.channel === channel);
  assert.ok(found !== undefined, `${channel} is not viewed`);
  return found;
};
const drops = (simulated: SimulatedSettop) => simulated.settop.status(simulated.now).drops;

test("tuning in joins (71) and asks (73) in parallel, and the journal knows the reception before the request leaves", () => {
  const simulated = new SimulatedSettop();
  simulated.feed({ kind: "broker", up: true });
  simulated.feed({ kind: "tune", channel: "one" });
  assert.deepEqual(simulated.kinds(), ["watch", "join", "remember", "send"]);
  const request = simulated.lastRequest();
  assert.equal(request.reason, "start");
  assert.equal(request.have, undefined);
  assert.deepEqual(simulated.journal, [{ reception: request.reception, channel: "one" }]);
});

test("a grant before the join is installed just the same", () => {
  const simulated = new SimulatedSettop();
  simulated.feed({ kind: "broker", up: true });
  simulated.feed({ kind: "tune", channel: "one" });
  simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), [7]) });
  simulated.feed({ kind: "joined", channel: "one" });
  assert.deepEqual(viewing(simulated).epochs, [7]);
  assert.equal(viewing(simulated).membership.kind, "joined");
});

test("a grant (76) makes a receiver, tells it the position, and installs its epochs", () => {
  const simulated = new SimulatedSettop().tuned();
  simulated.kinds();
  simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), [7, 8]) });
  assert.deepEqual(simulated.kinds(), ["receive", "position", "install", "install", "note"]);
  assert.deepEqual(viewing(simulated).epochs, [7, 8]);
  assert.equal(viewing(simulated).attempts, 0);
});

test("while the broker is away nothing is sent and nothing is written; when it is there the request leaves", () => {
  const simulated = new SimulatedSettop();
  simulated.feed({ kind: "tune", channel: "one" });
  simulated.run(60_000);
  assert.deepEqual(simulated.kinds(), ["watch", "join"]);
  simulated.feed({ kind: "broker", up: true });
  assert.deepEqual(simulated.kinds(), ["remember", "send"]);
});

test("a viewing of which no request has left ends without a stop", () => {
  const simulated = new SimulatedSettop();
  simulated.feed({ kind: "tune", channel: "one" });
  simulated.feed({ kind: "stop", channel: "one" });
  simulated.feed({ kind: "broker", up: true });
  assert.deepEqual(simulated.sent, []);
  assert.deepEqual(simulated.journal, []);
});

test("a lost request is repeated with the same id, first after 0.7 to 1.3 s", () => {
  const simulated = new SimulatedSettop().tuned();
  simulated.run(1300);
  const [first, second] = simulated.sent;
  assert.ok(first !== undefined && second !== undefined);
  assert.ok(second.at >= 700 && second.at <= 1300, `${second.at}`);
  assert.deepEqual(second.message, first.message);
});

test("an hour without an answer: repeats are at most 10 s apart, and always for the same request", () => {
  const simulated = new SimulatedSettop().tuned();
  simulated.run(3_600_000);
  const times = simulated.sent.map(({ at }) => at);
  for (let i = 1; i < times.length; i++) assert.ok((times[i] ?? 0) - (times[i - 1] ?? 0) <= 10_000);
  assert.ok(times.length < 3000);
  assert.equal(simulated.questions(), 1);
  assert.equal(simulated.settop.status(simulated.now).viewings.length, 1);
});

test("a duplicated grant and a late one are settop.answer-unexpected and change nothing", () => {
  const simulated = new SimulatedSettop().tuned();
  const answer = grant(simulated.lastRequest(), [7]);
  simulated.feed({ kind: "answer", message: answer });
  simulated.kinds();
  simulated.feed({ kind: "answer", message: answer });
  simulated.feed({ kind: "answer", message: { ...answer, id: new Uint8Array(16) } });
  assert.deepEqual(simulated.kinds(), []);
  assert.equal(drops(simulated)["settop.answer-unexpected"], 2);
});

test("an answer for a channel that is no longer viewed installs no key", () => {
  const simulated = new SimulatedSettop().tuned();
  const request = simulated.lastRequest();
  simulated.feed({ kind: "stop", channel: "one" });
  simulated.kinds();
  simulated.feed({ kind: "answer", message: grant(request, [7]) });
  assert.deepEqual(simulated.kinds(), []);
  assert.equal(drops(simulated)["settop.answer-unexpected"], 1);
});

test("messages that are no answers to a set-top are settop.message-unexpected", () => {
  const simulated = new SimulatedSettop().tuned();
  simulated.feed({ kind: "answer", message: simulated.lastRequest() });
  assert.equal(drops(simulated)["settop.message-unexpected"], 1);
});

test("a grant whose keys do not fit its suite, or whose epochs do not rise, is settop.grant-unusable and asked for again", () => {
  for (const bad of [
    { stream: { suite: "AEAD_AES_256_GCM", mkiLength: 4, ssrc: 1, payloadType: 33 } as const },
    { epochs: [...grant(new SimulatedSettop().tuned().lastRequest(), [8, 7]).epochs] },
  ]) {
    const simulated = new SimulatedSettop().tuned();
    simulated.kinds();
    simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), [7], bad) });
    assert.deepEqual(simulated.kinds(), []);
    assert.equal(drops(simulated)["settop.grant-unusable"], 1);
    simulated.run(5000);
    assert.equal(simulated.questions(), 2);
  }
});

test("a denial leaves the group after the linger, keeps its reason for status, and is retried slowly", () => {
  const simulated = new SimulatedSettop({ linger: seconds(3) }).tuned();
  simulated.feed({ kind: "answer", message: denial(simulated.lastRequest(), "not-entitled") });
  simulated.kinds();
  simulated.run(2999);
  assert.deepEqual(simulated.kinds(), []);
  simulated.run(1);
  assert.deepEqual(simulated.kinds(), ["leave"]);
  assert.deepEqual(viewing(simulated).verdict, { kind: "denied", reason: "not-entitled", text: "in words" });
  assert.equal(viewing(simulated).membership.kind, "left");
  simulated.server = (message) => {
    if (message.type === "key.request") simulated.feed({ kind: "answer", message: denial(message, "not-entitled") });
  };
  simulated.run(3_600_000);
  assert.ok(
    simulated.requests().length >= 6 && simulated.requests().length <= 14,
    `${simulated.requests().length} in an hour`,
  );
  assert.deepEqual(
    simulated.kinds().filter((kind) => kind === "join" || kind === "install"),
    [],
  );
});

test("a denial in mid-view erases the keys at once: nothing more comes out", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", 8) });
  simulated.run(1000);
  simulated.kinds();
  simulated.feed({ kind: "answer", message: denial(simulated.lastRequest(), "device.revoked") });
  assert.deepEqual(simulated.kinds(), ["silence", "note"]);
  assert.deepEqual(viewing(simulated).epochs, []);
});

test("denied before and granted later: the group is joined again and a new receiver made", () => {
  const simulated = new SimulatedSettop().tuned();
  simulated.feed({ kind: "answer", message: denial(simulated.lastRequest(), "subscriber.inactive") });
  simulated.run(40_000);
  simulated.kinds();
  simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), [9]) });
  assert.deepEqual(simulated.kinds(), ["receive", "position", "install", "join", "note"]);
});

test("busy is asked again after its wait, not before, with a new id", () => {
  const simulated = new SimulatedSettop().tuned();
  simulated.feed({ kind: "answer", message: busy(simulated.lastRequest(), 5000) });
  assert.deepEqual(viewing(simulated).verdict, { kind: "busy", reason: "load" });
  simulated.run(4999);
  assert.equal(simulated.requests().length, 1);
  simulated.run(1300);
  assert.equal(simulated.requests().length, 2);
  const [first, second] = simulated.requests();
  assert.ok(first !== undefined && second !== undefined && !sameBytes(first.id, second.id));
  assert.ok(sameBytes(first.reception, second.reception));
});

test("a server that says busy for ever is asked at most five times a second", () => {
  const simulated = new SimulatedSettop().tuned();
  simulated.server = (message) => {
    if (message.type === "key.request") simulated.feed({ kind: "answer", message: busy(message, 0) });
  };
  simulated.feed({ kind: "answer", message: busy(simulated.lastRequest(), 0) });
  simulated.run(10_000);
  assert.ok(simulated.requests().length <= 51, `${simulated.requests().length}`);
});

test("a notice (91) is answered by a request (92) in this device's slot, before the switch", () => {
  const at = (device: string, epoch: number): number => {
    const simulated = new SimulatedSettop({ device }).watching(epoch - 1);
    simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", epoch, 10_000, 8000) });
    simulated.run(10_000);
    const sent = simulated.sent.at(-1);
    assert.ok(sent?.message.type === "key.request" && sent.message.reason === "rekey");
    assert.equal(sent.message.have, epoch - 1);
    return simulated.sent[1]?.at ?? -1;
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
    const simulated = new SimulatedSettop({ device: `box-${i}` }).watching(7);
    simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", 8, 2000, 60_000) });
    simulated.run(1750);
    assert.equal(simulated.questions(), 2);
  }
});

test("a notice repeated, for an epoch in hand, or older than the grant, is settop.notice-stale", () => {
  const simulated = new SimulatedSettop().watching(7, 8);
  for (const epoch of [8, 7, 3]) simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", epoch) });
  simulated.run(5000);
  assert.equal(simulated.requests().length, 1);
  assert.equal(drops(simulated)["settop.notice-stale"], 3);
});

test("a notice for a channel that is not viewed is settop.notice-unwatched", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.feed({ kind: "notice", notice: notice(simulated.now, "two", 8) });
  assert.equal(drops(simulated)["settop.notice-unwatched"], 1);
});

test("a notice that overtakes the first grant: if the grant lacks its epoch, it is asked for again", () => {
  const simulated = new SimulatedSettop().tuned();
  const request = simulated.lastRequest();
  simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", 8) });
  simulated.feed({ kind: "answer", message: grant(request, [7]) });
  simulated.run(1000);
  assert.equal(simulated.lastRequest().reason, "rekey");
  simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), [7, 8]) });
  const asked = simulated.requests().length;
  simulated.run(60_000);
  assert.equal(simulated.requests().length, asked);
});

test("a notice that overtakes an answer is asked about in its slot all the same, before the switch", () => {
  for (let i = 0; i < 200; i++)
    for (const tuned of [true, false]) {
      const simulated = new SimulatedSettop({ device: `box-${i}` });
      if (tuned) simulated.tuned();
      else {
        simulated.watching(6);
        simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", 7, 0, 0) });
      }
      const request = simulated.lastRequest();
      const before = simulated.requests().length;
      simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", 8, 1000, 600) });
      simulated.run(20);
      const asked = simulated.requests().length;
      simulated.feed({ kind: "answer", message: grant(request, [7]) });
      assert.ok(asked - before <= 1, "at most the repeat, when the slot came before the answer");
      simulated.run(600);
      assert.deepEqual([simulated.requests().length - asked, simulated.lastRequest().reason], [1, "rekey"]);
      // The one that has been asked in its slot and answered without it waits: a key server that is behind is not asked at once again.
      simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), [7]) });
      simulated.run(900);
      assert.equal(simulated.requests().length - asked, 1);
      simulated.run(200);
      assert.equal(simulated.requests().length - asked, 2);
    }
});

test("a retained notice that is older than its switch is asked about at once", () => {
  const simulated = new SimulatedSettop().watching(7);
  const old = notice(simulated.now, "one", 8, 2000, 2000);
  simulated.run(30_000);
  simulated.feed({ kind: "notice", notice: old, retained: true });
  simulated.run(1);
  assert.equal(simulated.lastRequest().reason, "rekey");
});

test("a fresh notice keeps its window although this device and the key server disagree on the hour", () => {
  const at = (device: string): number => {
    const simulated = new SimulatedSettop({ device }).watching(7);
    const fresh = notice(simulated.now, "one", 8, 10_000, 8000);
    simulated.feed({ kind: "notice", notice: { ...fresh, issued: fresh.issued - 3_600_000 } });
    simulated.run(10_000);
    return simulated.sent[1]?.at ?? -1;
  };
  const late = Array.from({ length: 50 }, (_, i) => at(`box-${i}`)).filter((slot) => slot > 1000);
  assert.ok(late.length > 30, "they do not all ask at once");
});

test("two notices and ten thousand unknown packets while a request is open stay one request", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", 8, 0, 0) });
  simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", 8, 0, 0) });
  for (let i = 0; i < 10_000; i++)
    simulated.feed({ kind: "stream", channel: "one", sign: { kind: "unknown-epoch", epoch: 8 } });
  assert.equal(simulated.requests().length, 2);
});

test("an unknown epoch in the stream starts one request within 100 ms; while it stays unknown the gap grows to a minute", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.server = (message) => {
    if (message.type === "key.request") simulated.feed({ kind: "answer", message: grant(message, [7]) });
  };
  const unknown = (): void => {
    simulated.feed({ kind: "stream", channel: "one", sign: { kind: "unknown-epoch", epoch: 4_000_000_000 } });
  };
  unknown();
  simulated.run(100);
  assert.equal(simulated.requests().length, 2);
  assert.equal(simulated.lastRequest().reason, "rekey");
  for (let i = 0; i < 36_000; i++) {
    unknown();
    simulated.run(100);
  }
  assert.ok(simulated.requests().length < 75, `a forger costs ${simulated.requests().length} requests an hour`);
});

for (const mkiAfter of [(second: number) => 8 + second, () => 0]) {
  test(`a forger while the stream is dark: three questions in twelve seconds, twelve in ten minutes, with MKIs like ${mkiAfter(1)}`, () => {
    const simulated = new SimulatedSettop().watching(7);
    simulated.server = (message) => {
      if (message.type === "key.request")
        simulated.feed({ kind: "answer", message: grant(message, [7], { position: { roc: 1, seq: 1, age: 0 } }) });
    };
    const forge = (seconds: number): void => {
      for (let i = 0; i < seconds; i++) {
        simulated.feed({ kind: "stream", channel: "one", sign: { kind: "unknown-epoch", epoch: mkiAfter(i) } });
        simulated.feed({ kind: "stream", channel: "one", sign: { kind: "position-lost" } });
        // A repetition, or a packet now and then: the stream is not quite dark.
        if (i % 5 === 0) simulated.feed({ kind: "stream", channel: "one", sign: { kind: "clear", epoch: 7 } });
        simulated.run(1000);
      }
    };
    forge(12);
    assert.equal(simulated.questions(), 1 + 3);
    forge(588);
    assert.ok(simulated.questions() <= 1 + 3 + 14, `${simulated.questions()} questions`);
  });
}

test("a packet that all boxes hear has them ask over the window of the last notice, by whose length the audience is known", () => {
  const window = 6000;
  const asked: number[] = [];
  for (let box = 0; box < 300; box++) {
    const simulated = new SimulatedSettop({ device: `box-${box}` }, Math.imul(box + 1, 0x9e3779b1)).watching(7);
    simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", 7, 0, window), retained: true });
    simulated.feed({ kind: "stream", channel: "one", sign: { kind: "position-lost" } });
    simulated.run(window);
    assert.equal(simulated.questions(), 2);
    asked.push(simulated.sent[1]?.at ?? -1);
  }
  for (let from = 0; from < window; from += 1000) {
    const within = asked.filter((at) => at >= from && at < from + 1000).length;
    assert.ok(within < 2 * (300 / 6), `${within} of 300 boxes in the second from ${from} ms`);
  }
});

const POSITIONED = { position: { roc: 1, seq: 1, age: 0 } };

test("a stream that goes on under an older epoch than the grant's is asked for: its key is granted and kept", () => {
  const simulated = new SimulatedSettop().watching(8);
  simulated.feed({ kind: "stream", channel: "one", sign: { kind: "unknown-epoch", epoch: 7 } });
  simulated.run(100);
  assert.equal(simulated.questions(), 2);
  simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), [7, 8], POSITIONED) });
  simulated.feed({ kind: "stream", channel: "one", sign: { kind: "unknown-epoch", epoch: 7 } });
  simulated.run(10_000);
  assert.equal(simulated.questions(), 2, "it is held");
  assert.deepEqual(viewing(simulated).epochs, [7, 8]);
});

test("an epoch that the stream seemed to have left stays when the stream is seen to go on under it", () => {
  const simulated = new SimulatedSettop().watching(7, 8);
  simulated.feed({ kind: "stream", channel: "one", sign: { kind: "clear", epoch: 8 } });
  simulated.run(1000);
  simulated.feed({ kind: "stream", channel: "one", sign: { kind: "clear", epoch: 7 } });
  simulated.run(60_000);
  assert.deepEqual(viewing(simulated).epochs, [7, 8]);
});

test("every rekey learnt only from the stream is asked for within 1.1 s, however often it happens", () => {
  const simulated = new SimulatedSettop().watching(1);
  simulated.server = (message) => {
    if (message.type === "key.request") simulated.feed({ kind: "answer", message: grant(message, [epoch - 1, epoch]) });
  };
  let epoch = 2;
  for (; epoch < 40; epoch++) {
    simulated.feed({ kind: "stream", channel: "one", sign: { kind: "unknown-epoch", epoch } });
    simulated.run(1100);
    assert.ok(viewing(simulated).epochs.includes(epoch), `epoch ${epoch}`);
    simulated.feed({ kind: "stream", channel: "one", sign: { kind: "clear", epoch } });
    simulated.run(900);
  }
});

test("the old epoch is erased one overlap after the stream was heard under the new one, not after the notice", () => {
  const simulated = new SimulatedSettop({ overlap: seconds(3) }).watching(7, 8);
  simulated.run(60_000);
  assert.deepEqual(viewing(simulated).epochs, [7, 8]);
  simulated.feed({ kind: "stream", channel: "one", sign: { kind: "clear", epoch: 8 } });
  simulated.kinds();
  simulated.run(2999);
  assert.deepEqual(simulated.kinds(), []);
  simulated.run(1);
  assert.deepEqual(simulated.kinds(), ["retire"]);
  assert.deepEqual(viewing(simulated).epochs, [8]);
});

test("an overlap below 2 s is taken as 2 s", () => {
  const simulated = new SimulatedSettop({ overlap: seconds(0) }).watching(7, 8);
  simulated.feed({ kind: "stream", channel: "one", sign: { kind: "clear", epoch: 8 } });
  simulated.run(1999);
  assert.deepEqual(viewing(simulated).epochs, [7, 8]);
});

test("never more than three epochs: a fourth pushes out the oldest that the grant does not carry", () => {
  const simulated = new SimulatedSettop().watching(5, 6, 7);
  simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", 8, 0, 0) });
  simulated.run(1);
  simulated.kinds();
  simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), [7, 8]) });
  assert.deepEqual(viewing(simulated).epochs, [6, 7, 8]);
  assert.deepEqual(simulated.kinds(), ["retire", "position", "install"]);
});

test("a sender that counts anew under an epoch: older ones are erased at once, without the overlap", () => {
  const simulated = new SimulatedSettop().watching(6, 7, 8);
  simulated.feed({ kind: "stream", channel: "one", sign: { kind: "clear", epoch: 7 } });
  simulated.kinds();
  simulated.feed({ kind: "stream", channel: "one", sign: { kind: "began-anew", epoch: 7 } });
  assert.deepEqual(simulated.effects.splice(0), [{ kind: "retire", channel: "one", epoch: 6 }]);
  assert.deepEqual(viewing(simulated).epochs, [7, 8]);
  simulated.run(60_000);
  assert.deepEqual(simulated.kinds(), []);
});

test("keys that go no further are overwritten: held already, not asked for, or of no use", () => {
  const simulated = new SimulatedSettop().watching(7);
  const overwritten = ({ epochs }: ReturnType<typeof grant>) =>
    epochs.map(({ masterKey, masterSalt }) => [...masterKey, ...masterSalt].every((octet) => octet === 0));
  simulated.feed({ kind: "stream", channel: "one", sign: { kind: "unknown-epoch", epoch: 8 } });
  simulated.run(1000);
  const again = grant(simulated.lastRequest(), [7, 8]);
  simulated.feed({ kind: "answer", message: again });
  assert.deepEqual(overwritten(again), [true, false], "8 is on its way to the data plane, which overwrites it");
  const late = grant(simulated.lastRequest(), [7, 8]);
  simulated.feed({ kind: "answer", message: late });
  assert.deepEqual(overwritten(late), [true, true]);
  simulated.feed({ kind: "stream", channel: "one", sign: { kind: "position-lost" } });
  simulated.run(5000);
  const falling = grant(simulated.lastRequest(), [9, 8]);
  simulated.feed({ kind: "answer", message: falling });
  assert.equal(drops(simulated)["settop.grant-unusable"], 1);
  assert.deepEqual(overwritten(falling), [true, true]);
});

test("before refreshWithin runs out the device shows that it is there: refresh", () => {
  const simulated = new SimulatedSettop().tuned();
  simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), [7], { refreshWithin: 30_000 }) });
  simulated.run(17_999);
  assert.equal(simulated.requests().length, 1);
  simulated.run(6001);
  assert.equal(simulated.questions(), 2);
  assert.equal(simulated.lastRequest().reason, "refresh");
});

test("refreshWithin 0 is not a busy loop", () => {
  const simulated = new SimulatedSettop().tuned();
  simulated.server = (message) => {
    if (message.type === "key.request")
      simulated.feed({ kind: "answer", message: grant(message, [7], { refreshWithin: 0 }) });
  };
  simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), [7], { refreshWithin: 0 }) });
  simulated.run(10_000);
  assert.ok(simulated.requests().length <= 18, `${simulated.requests().length}`);
});

test("a lost position is asked for (resync), told to the receiver when it comes, and limited in rate", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.feed({ kind: "stream", channel: "one", sign: { kind: "position-lost" } });
  simulated.run(100);
  assert.equal(simulated.lastRequest().reason, "resync");
  simulated.kinds();
  simulated.feed({
    kind: "answer",
    message: grant(simulated.lastRequest(), [7], { position: { roc: 3, seq: 9, age: 0 } }),
  });
  assert.deepEqual(simulated.kinds(), ["position"]);
  for (let i = 0; i < 100; i++) {
    simulated.feed({ kind: "stream", channel: "one", sign: { kind: "position-lost" } });
    simulated.run(10);
  }
  assert.ok(simulated.requests().length <= 3, `${simulated.requests().length}`);
});

test("a grant without position (the headend has not reported) is asked again until one has it", () => {
  const simulated = new SimulatedSettop().tuned();
  const { position: _, ...bare } = grant(simulated.lastRequest(), [7]);
  simulated.feed({ kind: "answer", message: bare });
  simulated.run(2000);
  assert.equal(simulated.lastRequest().reason, "resync");
  simulated.kinds();
  simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), [7]) });
  assert.deepEqual(simulated.kinds(), ["position"]);
});

test("another SSRC in a grant (the headend was replaced) makes a new receiver with all its keys", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", 8, 0, 0) });
  simulated.run(1);
  simulated.kinds();
  const stream = { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 99, payloadType: 33 } as const;
  simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), [7, 8], { stream }) });
  assert.deepEqual(simulated.kinds(), ["receive", "position", "install", "install"]);
});

test("another signer in a grant (the headend has started anew) makes a new receiver; the same one in another array does not", () => {
  const simulated = new SimulatedSettop().watching(7);
  const answered = (signer: number, ...epochs: number[]): readonly string[] => {
    simulated.feed({ kind: "stream", channel: "one", sign: { kind: "position-lost" } });
    simulated.run(5000);
    simulated.kinds();
    const stream = {
      ...({ suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 1, payloadType: 33 } as const),
      signer: new Uint8Array(32).fill(signer),
    };
    simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), epochs, { stream }) });
    return simulated.kinds();
  };
  assert.deepEqual(answered(1, 7), ["receive", "position", "install"]);
  assert.deepEqual(answered(1, 7), ["position"]);
  assert.deepEqual(answered(2, 7, 8), ["receive", "position", "install", "install"]);
});

test("a key server that is away over several rekeys: the old key goes on, one request waits, and the first answer mends it", () => {
  const simulated = new SimulatedSettop().watching(7);
  for (let epoch = 8; epoch < 14; epoch++) {
    simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", epoch) });
    simulated.run(5000);
  }
  assert.deepEqual(viewing(simulated).epochs, [7]);
  assert.equal(simulated.questions(), 2);
  simulated.feed({ kind: "answer", message: grant(simulated.lastRequest(), [12, 13]) });
  assert.deepEqual(viewing(simulated).epochs, [7, 12, 13]);
});

test("a broker that comes back is asked again within a second, and sooner by those who have no key yet", () => {
  const simulated = new SimulatedSettop().tuned();
  simulated.feed({ kind: "broker", up: false });
  simulated.run(60_000);
  assert.equal(simulated.requests().length, 1);
  simulated.feed({ kind: "broker", up: true });
  simulated.run(200);
  assert.equal(simulated.requests().length, 2);
});

test("a reception that the server has ended is begun anew, with a new id and without losing the picture", () => {
  const simulated = new SimulatedSettop().watching(7);
  const before = simulated.lastRequest();
  simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", 8, 0, 0) });
  simulated.run(1);
  simulated.kinds();
  simulated.feed({ kind: "answer", message: denial(simulated.lastRequest(), "reception.ended") });
  assert.deepEqual(simulated.kinds(), ["note", "remember", "send"]);
  assert.deepEqual(viewing(simulated).epochs, [7]);
  assert.equal(simulated.lastRequest().reason, "start");
  assert.ok(!sameBytes(simulated.lastRequest().reception, before.reception));
  assert.deepEqual(simulated.journal, [{ reception: simulated.lastRequest().reception, channel: "one" }]);
});

test("a server that ends every reception at once is asked ever more slowly", () => {
  const simulated = new SimulatedSettop().tuned();
  simulated.server = (message) => {
    if (message.type === "key.request") simulated.feed({ kind: "answer", message: denial(message, "reception.ended") });
  };
  simulated.feed({ kind: "answer", message: denial(simulated.lastRequest(), "reception.ended") });
  simulated.run(3_600_000);
  assert.ok(simulated.requests().length < 75, `${simulated.requests().length}`);
});

test("stop leaves (81) and tells (83); the reception is over only when it is acknowledged (86)", () => {
  const simulated = new SimulatedSettop().watching(7);
  const { reception } = simulated.lastRequest();
  simulated.kinds();
  simulated.feed({ kind: "stop", channel: "one" });
  assert.deepEqual(simulated.kinds(), ["silence", "leave", "unwatch", "note", "remember", "send"]);
  assert.equal(simulated.journal.length, 1);
  const [stop] = simulated.stops();
  assert.ok(stop !== undefined && sameBytes(stop.reception, reception));
  assert.deepEqual([stop.cause, stop.endedAgo], ["stopped", 0]);
  simulated.feed({ kind: "answer", message: acknowledgement(stop) });
  assert.deepEqual(simulated.journal, []);
  assert.deepEqual(simulated.settop.status(simulated.now).pendingStops, []);
  simulated.run(600_000);
  assert.equal(simulated.stops().length, 1);
});

test("a stop is repeated until it is acknowledged, and says each time how long ago it was", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.feed({ kind: "stop", channel: "one" });
  const ended = simulated.now;
  simulated.run(600_000);
  const stops = simulated.sent.filter(({ message }) => message.type === "stop");
  assert.ok(stops.length > 10);
  for (const { at, message } of stops)
    assert.equal(message.type === "stop" ? message.endedAgo : -1, Math.round(at - ended));
  assert.equal(new Set(simulated.stops().map(({ id }) => toHex(id))).size, 1);
});

test("a repeated acknowledgement, or one for a reception that goes on, is settop.answer-unexpected", () => {
  const simulated = new SimulatedSettop().watching(7);
  const { reception, id } = simulated.lastRequest();
  simulated.feed({ kind: "answer", message: { type: "stop.acknowledged", id, channel: "one", reception } });
  assert.equal(viewing(simulated).verdict.kind, "granted");
  simulated.feed({ kind: "stop", channel: "one" });
  const [stop] = simulated.stops();
  assert.ok(stop !== undefined);
  simulated.feed({ kind: "answer", message: acknowledgement(stop) });
  simulated.feed({ kind: "answer", message: acknowledgement(stop) });
  assert.equal(drops(simulated)["settop.answer-unexpected"], 2);
});

test("zap: the old stop (83) leaves before the new request (73), neither waits for an answer, one journal write holds both", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.kinds();
  simulated.feed({ kind: "zap", channel: "two" });
  assert.deepEqual(simulated.kinds(), [
    "silence",
    "leave",
    "unwatch",
    "note",
    "watch",
    "join",
    "remember",
    "send",
    "send",
  ]);
  assert.deepEqual(
    simulated.sent.slice(-2).map(({ message }) => message.type),
    ["stop", "key.request"],
  );
  assert.deepEqual(
    simulated.journal.map(({ channel, ended }) => [channel, ended !== undefined]),
    [
      ["one", true],
      ["two", false],
    ],
  );
});

test("zap --from stops only that one, and refuses when that is not viewed, before anything is stopped", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.feed({ kind: "tune", channel: "two" });
  const [refused] = simulated.feed({ kind: "zap", channel: "three", from: "three" });
  assert.deepEqual(refused, { kind: "refused", refusal: "settop.not-tuned", channel: "three" });
  simulated.feed({ kind: "zap", channel: "three", from: "one" });
  assert.deepEqual(
    simulated.settop.status(simulated.now).viewings.map((v) => v.channel),
    ["two", "three"],
  );
});

test("zap away and back: a new reception id, the old stop still pending", () => {
  const simulated = new SimulatedSettop().watching(7);
  const first = simulated.lastRequest();
  simulated.feed({ kind: "zap", channel: "two" });
  simulated.feed({ kind: "zap", channel: "one" });
  assert.ok(!sameBytes(simulated.lastRequest().reception, first.reception));
  assert.equal(simulated.settop.status(simulated.now).pendingStops.length, 2);
});

test("at a concurrent limit of one, the new channel is asked for again as soon as the old stop is acknowledged", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.feed({ kind: "zap", channel: "two" });
  simulated.feed({ kind: "answer", message: denial(simulated.lastRequest("two"), "limit.concurrent") });
  const [stop] = simulated.stops();
  assert.ok(stop !== undefined);
  simulated.feed({ kind: "answer", message: acknowledgement(stop) });
  const asked = simulated.requests().filter(({ channel }) => channel === "two");
  assert.equal(asked.length, 2);
  simulated.feed({ kind: "answer", message: grant(simulated.lastRequest("two"), [3]) });
  simulated.run(5000);
  assert.ok(!simulated.kinds().slice(-5).includes("leave"));
});

test("commands that cannot be done are refused by name", () => {
  const simulated = new SimulatedSettop({ most: 1 }).tuned();
  const refusal = (event: Parameters<SimulatedSettop["feed"]>[0]): unknown => {
    const [effect] = simulated.feed(event);
    return effect?.kind === "refused" ? effect.refusal : effect;
  };
  assert.equal(refusal({ kind: "tune", channel: "none" }), "settop.unknown-channel");
  assert.equal(refusal({ kind: "tune", channel: "one" }), "settop.already-tuned");
  assert.equal(refusal({ kind: "zap", channel: "one" }), "settop.already-tuned");
  assert.equal(refusal({ kind: "tune", channel: "two" }), "settop.too-many-channels");
  assert.equal(refusal({ kind: "stop", channel: "two" }), "settop.not-tuned");
  simulated.feed({ kind: "quit" });
  assert.equal(refusal({ kind: "tune", channel: "two" }), "settop.quitting");
});

test("several channels at once are independent of each other", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.feed({ kind: "tune", channel: "two" });
  simulated.feed({ kind: "answer", message: denial(simulated.lastRequest("two"), "not-entitled") });
  assert.equal(viewing(simulated).verdict.kind, "granted");
  assert.equal(viewing(simulated, "two").verdict.kind, "denied");
});

test("a group that cannot be joined is tried again every 2 s, and the reason is kept", () => {
  const simulated = new SimulatedSettop();
  simulated.feed({ kind: "tune", channel: "one" });
  simulated.feed({ kind: "join-failed", channel: "one", why: "no such interface" });
  assert.deepEqual(viewing(simulated).membership, { kind: "failed", why: "no such interface" });
  simulated.kinds();
  simulated.run(2000);
  assert.deepEqual(simulated.kinds(), ["join"]);
});

test("quit stops everything; finished comes with the last acknowledgement", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.feed({ kind: "tune", channel: "two" });
  simulated.kinds();
  simulated.feed({ kind: "quit" });
  assert.ok(!simulated.kinds().includes("finished"));
  for (const stop of simulated.stops()) simulated.feed({ kind: "answer", message: acknowledgement(stop) });
  assert.equal(simulated.kinds().filter((kind) => kind === "finished").length, 1);
});

test("a configuration without the channel, or with another group for it, ends its viewing; others go on", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.feed({ kind: "tune", channel: "two" });
  simulated.feed({ kind: "channels", channels: CHANNELS.filter(({ id }) => id !== "one") });
  assert.deepEqual(
    simulated.settop.status(simulated.now).viewings.map((v) => v.channel),
    ["two"],
  );
  simulated.feed({ kind: "channels", channels: CHANNELS.map((c) => (c.id === "two" ? { ...c, port: 6000 } : c)) });
  assert.deepEqual(simulated.settop.status(simulated.now).viewings, []);
  assert.equal(simulated.stops().length, 2);
});

test("a day of zapping without answers: pending stops stay bounded, the oldest are settop.stop-forgotten", () => {
  const simulated = new SimulatedSettop().watching(7);
  for (let i = 0; i < 200; i++) {
    simulated.feed({ kind: "zap", channel: i % 2 === 0 ? "two" : "one" });
    simulated.run(100);
  }
  assert.equal(simulated.settop.status(simulated.now).pendingStops.length, PENDING_STOPS_LIMIT);
  assert.equal(simulated.journal.length, PENDING_STOPS_LIMIT + 1);
  assert.equal(drops(simulated)["settop.stop-forgotten"], 200 - PENDING_STOPS_LIMIT);
});

test("the same seed gives the same log", () => {
  const log = (): string => {
    const simulated = new SimulatedSettop({}, 42).watching(7);
    for (let epoch = 8; epoch < 20; epoch++) {
      simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", epoch) });
      simulated.run(3000);
    }
    return simulated.sent.map(({ at, message }) => `${at} ${message.type} ${toHex(message.id)}`).join("\n");
  };
  assert.equal(log(), log());
});

test("an unmanaged channel is joined and shown with its static keys; nobody is asked, nothing is remembered, and no stop is sent", () => {
  const sender = { suite: "AES_CM_128_HMAC_SHA1_80", mkiLength: 0, roc: 0, keys: [keyOf(0)] } as const;
  const camera = { id: "camera", group: ipv4(0xefff4d09), port: 5009, unmanaged: sender };
  const simulated = new SimulatedSettop({ channels: [...CHANNELS, camera] });
  simulated.feed({ kind: "broker", up: true });
  simulated.feed({ kind: "tune", channel: "camera" });
  simulated.feed({ kind: "joined", channel: "camera" });
  assert.deepEqual(simulated.kinds(), ["watch", "receive-unmanaged", "join"]);
  simulated.feed({ kind: "stream", channel: "camera", sign: { kind: "position-lost" } });
  simulated.feed({ kind: "notice", notice: notice(simulated.now, "camera", 8) });
  simulated.run(3_600_000);
  assert.deepEqual(simulated.kinds(), []);
  assert.deepEqual(simulated.settop.status(simulated.now).viewings[0]?.verdict, { kind: "unmanaged" });
  simulated.feed({
    kind: "channels",
    channels: [...CHANNELS, { ...camera, unmanaged: { ...sender, keys: [keyOf(0)] } }],
  });
  assert.deepEqual(simulated.kinds(), [], "the same keys are no change");
  simulated.feed({
    kind: "channels",
    channels: [...CHANNELS, { ...camera, unmanaged: { ...sender, keys: [keyOf(9)] } }],
  });
  assert.deepEqual(simulated.kinds(), ["silence", "leave", "unwatch", "note"]);
  assert.deepEqual([simulated.sent, simulated.journal], [[], []]);
});
