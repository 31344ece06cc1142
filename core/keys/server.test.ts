import assert from "node:assert/strict";
import { test } from "node:test";
import { instant } from "../base/time.ts";
import type { ChannelParameters, Message, MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { bytes, CALENDAR, CountingEntropy, peer, ServerBench } from "../control/servers.testkit.ts";
import type { KeyServerDrop, KeyServerEffect, KeyServerEvent } from "./events.ts";
import { KEY_SERVER_LIMITS, KeyServer } from "./server.ts";

const RECEPTION = peer("reception", "rs", 1);
const HEADEND = peer("headend", "he", 2);
const BOX = peer("settop", "box", 3);

const parameters = (channel = "one", interval = 10_000): ChannelParameters => ({
  channel,
  group: 0xefff4d01,
  port: 5004,
  stream: { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 7, payloadType: 33 },
  interval,
  overlap: 2_000,
  window: 1_000,
});

const proposal = (epoch: number, more: Partial<MessageOf<"epoch.proposal">> = {}): MessageOf<"epoch.proposal"> => ({
  type: "epoch.proposal",
  id: bytes(epoch),
  parameters: parameters(),
  key: { epoch, masterKey: bytes(epoch), masterSalt: bytes(epoch, 12) },
  switchIn: 1_000,
  ...more,
});

const keyRequest = (id: number, channel = "one", reception = 9): Message => ({
  type: "key.request",
  id: bytes(id),
  channel,
  reception: bytes(reception),
  reason: "start",
});

const stop: Message = { type: "stop", id: bytes(50), channel: "one", reception: bytes(9), cause: "stopped" };

class Bench extends ServerBench<KeyServerEvent, KeyServerEffect, KeyServerEffect> {
  readonly server: KeyServer;
  #commits: (KeyServerEffect & { kind: "commit" })[] = [];
  readonly done: KeyServerEffect[] = [];
  /** Carry out commits at once. */
  prompt = true;

  constructor(limits = KEY_SERVER_LIMITS, channels?: readonly string[]) {
    super();
    const right = { publicKey: HEADEND.publicKey, ...(channels === undefined ? {} : { channels }) };
    const peers = { reception: RECEPTION, headend: (id: string) => (id === "he" ? right : undefined) };
    this.server = new KeyServer(peers, CALENDAR, new CountingEntropy(), [], limits);
  }

  settle(kind: "committed" | "failed"): KeyServerEffect[] {
    return this.#commits.splice(0).flatMap(({ channel, then }) => this.feed({ kind, channel, then }));
  }

  permit(inquiry: Message): KeyServerEffect[] {
    return this.answer(RECEPTION, { type: "permission", id: inquiry.id });
  }

  drops(): Record<string, number> {
    return this.server.status().drops;
  }

  protected override seen(effects: readonly KeyServerEffect[]): KeyServerEffect[] {
    return effects.flatMap((effect) => {
      if (effect.kind !== "commit") return [effect];
      this.#commits.push(effect);
      return this.prompt ? this.settle("committed") : [effect];
    });
  }
}

const messages = (effects: readonly KeyServerEffect[]): Message[] =>
  effects.flatMap((effect) => ("message" in effect ? [effect.message] : []));
const only = (effects: readonly KeyServerEffect[]): Message => {
  const [first, ...rest] = messages(effects);
  assert.ok(first !== undefined && rest.length === 0, "one message");
  return first;
};
const types = (effects: readonly KeyServerEffect[]): string[] =>
  effects.map((effect) => ("message" in effect ? effect.message.type : effect.kind));

test("a proposal is acknowledged, and the notice goes out, only when it is on disk", () => {
  const bench = new Bench();
  bench.prompt = false;
  assert.deepEqual(types(bench.hear(HEADEND, proposal(1))), ["commit"]);
  const [accepted, notice] = bench.settle("committed");
  assert.deepEqual(accepted !== undefined && "message" in accepted && accepted.message, {
    type: "epoch.accepted",
    id: bytes(1),
    channel: "one",
    epoch: 1,
  });
  assert.ok(notice?.kind === "notice");
  assert.deepEqual(notice.notice, { channel: "one", epoch: 1, issued: 1e12, switchIn: 1_000, window: 1_000 });
});

test("a repeated proposal is acknowledged again; another key under its number is stale", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1));
  assert.deepEqual(types(bench.hear(HEADEND, proposal(1))), ["epoch.accepted"]);
  const forged = proposal(1, { key: { epoch: 1, masterKey: bytes(77), masterSalt: bytes(1, 12) } });
  assert.deepEqual(only(bench.hear(HEADEND, forged)), {
    type: "epoch.refused",
    id: bytes(1),
    channel: "one",
    reason: "stale",
    last: 1,
  });
});

test("a headend that may not serve the channel is refused, an unknown one too", () => {
  const bench = new Bench(KEY_SERVER_LIMITS, ["two"]);
  for (const from of [HEADEND, peer("headend", "other", 2), { ...HEADEND, publicKey: bytes(9, 32) }]) {
    const refused = only(bench.hear(from, proposal(1)));
    assert.ok(refused.type === "epoch.refused" && refused.reason === "not-authorised");
  }
});

test("73 becomes 74, 75 becomes 76 with the live epochs, the position and the time to refresh", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1, { switchIn: 0 }));
  const where = { ssrc: 7, roc: 3, seq: 4, current: 1, endsIn: 9_000 };
  bench.hear(HEADEND, { type: "stream.report", id: bytes(60), channel: "one", ...where });
  bench.pass(500);
  const inquiry = only(bench.hear(BOX, keyRequest(20)));
  assert.ok(inquiry.type === "inquiry");
  assert.deepEqual([inquiry.device, inquiry.deviceKey, inquiry.epoch], ["box", BOX.publicKey, 1]);
  assert.equal(inquiry.holdsFor, 10_000 - 500 + 2_000);
  assert.deepEqual(only(bench.permit(inquiry)), {
    type: "key.grant",
    id: bytes(20),
    channel: "one",
    stream: parameters().stream,
    epochs: [proposal(1).key],
    current: 1,
    position: { roc: 3, seq: 4, age: 500 },
    refreshWithin: 10_500,
  });
});

test("copies of a request are one inquiry, and all are answered", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1));
  const inquiry = only(bench.hear(BOX, keyRequest(20)));
  assert.deepEqual(bench.hear(BOX, keyRequest(21)), []);
  const granted = messages(bench.permit(inquiry));
  assert.deepEqual(
    granted.map(({ id }) => id[0]),
    [20, 21],
  );
});

test("a grant has no epoch that was accepted after the inquiry: the right may have ended meanwhile", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1, { switchIn: 0 }));
  const inquiry = only(bench.hear(BOX, keyRequest(20)));
  bench.hear(HEADEND, proposal(2));
  const grant = only(bench.permit(inquiry));
  assert.ok(grant.type === "key.grant");
  assert.deepEqual(
    grant.epochs.map(({ epoch }) => epoch),
    [1],
  );
});

test("a refusal becomes a denial with words that a person understands", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1));
  const inquiry = only(bench.hear(BOX, keyRequest(20)));
  const denied = only(bench.answer(RECEPTION, { type: "refusal", id: inquiry.id, reason: "not-entitled" }));
  assert.ok(denied.type === "key.denied");
  assert.deepEqual([denied.reason, denied.text], ["not-entitled", "the subscription does not include this channel"]);
});

test("no epoch, too many waiting and a silent reception server are each told as busy", () => {
  const bench = new Bench({ channels: 10, waiting: 1 });
  const busy = (effects: readonly KeyServerEffect[]): string => {
    const message = only(effects);
    assert.ok(message.type === "key.busy" && message.retryAfter > 0);
    return message.reason;
  };
  assert.equal(busy(bench.hear(BOX, keyRequest(20))), "no-epoch");
  bench.hear(HEADEND, proposal(1));
  bench.hear(BOX, keyRequest(21));
  assert.equal(busy(bench.hear(BOX, keyRequest(22, "one", 8))), "load");
  assert.deepEqual(types(bench.pass(1_300)), ["inquiry"], "asked again meanwhile");
  assert.equal(busy(bench.pass(1_700)), "reception-server");
});

test("a device that begins one reception after the other is told to wait, others and its live ones are not", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1));
  const begin = (from: Peer, n: number): Message | undefined => {
    const [first] = messages(bench.hear(from, keyRequest(n, "one", n)));
    if (first?.type === "inquiry") bench.permit(first);
    return first;
  };
  for (let n = 0; n < 32; n++) assert.equal(begin(BOX, n)?.type, "inquiry");
  const refused = begin(BOX, 32);
  assert.ok(refused?.type === "key.busy" && refused.reason === "load");
  assert.deepEqual(bench.hear(BOX, { ...stop, reception: bytes(33) } as Message), []);
  assert.equal(bench.drops()["keys.device-too-fast"], 1);
  assert.equal(begin(BOX, 31)?.type, "inquiry", "a reception that it has");
  assert.equal(begin(peer("settop", "other", 4), 34)?.type, "inquiry");
  bench.now = instant(bench.now + 1_000);
  assert.equal(begin(BOX, 35)?.type, "inquiry");
});

test("83 becomes 84, 85 becomes 86; a request that still waited is over", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1));
  const inquiry = only(bench.hear(BOX, keyRequest(20)));
  const [denied, report] = messages(bench.hear(BOX, stop));
  assert.ok(denied?.type === "key.denied" && denied.reason === "reception.ended");
  assert.ok(report?.type === "stop.report");
  assert.deepEqual(bench.hear(BOX, { ...stop, id: bytes(51) }), [], "a copy waits too");
  assert.deepEqual(bench.permit(inquiry), []);
  assert.deepEqual(bench.drops(), { "keys.answer-unknown": 1 });
  const again = only(bench.hear(BOX, keyRequest(23)));
  assert.ok(again.type === "key.denied", "no key while the stop is on its way");
  const acknowledged = messages(
    bench.answer(RECEPTION, { type: "stop.report.acknowledged", id: report.id, record: "written" }),
  );
  assert.deepEqual(
    acknowledged.map(({ type, id }) => [type, id[0]]),
    [
      ["stop.acknowledged", 50],
      ["stop.acknowledged", 51],
    ],
  );
});

test("only previous, current and next epochs are kept, and the previous goes an overlap after the switch", () => {
  const bench = new Bench();
  const kept: unknown[] = [];
  const grantNow = (id: number): number[] => {
    const grant = only(bench.permit(only(bench.hear(BOX, keyRequest(id)))));
    return grant.type === "key.grant" ? grant.epochs.map(({ epoch }) => epoch) : [];
  };
  for (const epoch of [1, 2]) {
    bench.hear(HEADEND, proposal(epoch));
    bench.pass(1_000);
    const where = { ssrc: 7, roc: 0, seq: 0, current: epoch, endsIn: 0 };
    bench.hear(HEADEND, { type: "stream.report", id: bytes(60 + epoch), channel: "one", ...where });
  }
  bench.hear(HEADEND, proposal(3));
  kept.push(grantNow(30));
  bench.pass(2_000);
  bench.hear(HEADEND, { type: "epoch.taken", id: bytes(70), channel: "one", epoch: 1 });
  assert.deepEqual(kept, [[2, 3]]);
  assert.equal(bench.drops()["keys.epoch-unknown"], 1, "epoch 1 is erased");
});

test("claim 7: a wanted epoch is made and offered; the notice follows when it is taken; the next comes before the interval ends", () => {
  const bench = new Bench();
  const wanted: Message = { type: "epoch.wanted", id: bytes(40), parameters: parameters() };
  const offer = only(bench.hear(HEADEND, wanted));
  assert.ok(offer.type === "epoch.offer" && offer.key.epoch === 1 && offer.switchIn === 0);
  const again = only(bench.hear(HEADEND, wanted));
  assert.ok(again.type === "epoch.offer");
  assert.deepEqual(again.key, offer.key, "one offer, not one a message");
  const repeated = only(bench.pass(2_000));
  assert.ok(repeated.type === "epoch.offer");
  assert.deepEqual(repeated, { ...offer, switchIn: 0 }, "repeated until taken, as the answer that it is");
  const taken: Message = { type: "epoch.taken", id: bytes(41), channel: "one", epoch: 1 };
  assert.deepEqual(
    types(bench.hear(HEADEND, taken)),
    ["notice", "epoch.accepted"],
    "first everybody, then the headend",
  );
  assert.deepEqual(types(bench.hear(HEADEND, taken)), ["epoch.accepted"], "repeated: told again, noticed once");
  assert.deepEqual(bench.pass(7_900), []);
  const next = only(bench.pass(200));
  assert.ok(next.type === "epoch.offer" && next.key.epoch === 2 && next.switchIn === 2_000);
  assert.notDeepEqual(next.key.masterKey, offer.key.masterKey);
});

test("claim 7: a headend that starts again never gets the key that it may have used before", () => {
  const bench = new Bench();
  const wanted: Message = { type: "epoch.wanted", id: bytes(40), parameters: parameters() };
  const first = only(bench.hear(HEADEND, wanted));
  const afterRestart = only(bench.hear(HEADEND, { ...wanted, id: bytes(41) }));
  assert.ok(first.type === "epoch.offer" && afterRestart.type === "epoch.offer");
  assert.equal(afterRestart.key.epoch, 2);
  assert.notDeepEqual(afterRestart.key.masterKey, first.key.masterKey, "same key, same SSRC, same index");
});

test("claim 7: a headend that runs on and asks again gets the offer that waits", () => {
  const bench = new Bench();
  bench.hear(HEADEND, { type: "epoch.wanted", id: bytes(40), parameters: parameters() });
  bench.hear(HEADEND, { type: "epoch.taken", id: bytes(40), channel: "one", epoch: 1 });
  const offer = only(bench.pass(8_000));
  const again = only(bench.hear(HEADEND, { type: "epoch.wanted", id: bytes(41), parameters: parameters(), last: 1 }));
  assert.ok(offer.type === "epoch.offer" && again.type === "epoch.offer");
  assert.deepEqual(again.key, offer.key);
});

test("claim 7: a stream heard under an offered epoch says that the offer was taken", () => {
  const bench = new Bench();
  bench.hear(HEADEND, { type: "epoch.wanted", id: bytes(40), parameters: parameters() });
  const where = { ssrc: 7, roc: 0, seq: 0, current: 1, endsIn: 0 };
  const effects = bench.hear(HEADEND, { type: "stream.report", id: bytes(61), channel: "one", ...where });
  assert.deepEqual(types(effects), ["notice"]);
});

test("claim 7: after the last epoch number none is made", () => {
  const bench = new Bench();
  const wanted: Message = { type: "epoch.wanted", id: bytes(40), parameters: parameters(), last: 0xffff_ffff };
  const refused = only(bench.hear(HEADEND, wanted));
  assert.ok(refused.type === "epoch.refused");
  assert.equal(refused.reason, "stale");
});

test("a rekey demand is acknowledged when it is on disk and asked of the headend until a new epoch comes", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1, { switchIn: 0 }));
  bench.prompt = false;
  const demand: Message = { type: "rekey.demand", id: bytes(80), channels: ["one", "unknown"], reason: "revoked" };
  assert.deepEqual(types(bench.hear(RECEPTION, demand)), ["commit"]);
  const [acknowledged, asked] = messages(bench.settle("committed"));
  assert.ok(acknowledged?.type === "rekey.demand.acknowledged" && asked?.type === "epoch.demand");
  assert.deepEqual(types(bench.hear(RECEPTION, demand)), ["rekey.demand.acknowledged"], "a copy demands nothing more");
  const repeated = only(bench.pass(2_000));
  assert.deepEqual(repeated.id, asked.id, "one demand, one epoch");
  bench.hear(HEADEND, proposal(2, { id: asked.id }));
  bench.settle("committed");
  assert.deepEqual(bench.pass(20_000), []);
});

test("claim 7: a rekey demand brings an offer at once", () => {
  const bench = new Bench();
  bench.hear(HEADEND, { type: "epoch.wanted", id: bytes(40), parameters: parameters("one", 600_000) });
  bench.hear(HEADEND, { type: "epoch.taken", id: bytes(40), channel: "one", epoch: 1 });
  const offer = only(bench.feed({ kind: "rekey", channel: "one" }));
  assert.ok(offer.type === "epoch.offer" && offer.key.epoch === 2);
});

test("a store that fails is answered by nothing, and the repeated proposal succeeds", () => {
  const bench = new Bench();
  bench.prompt = false;
  bench.hear(HEADEND, proposal(1));
  assert.deepEqual(bench.settle("failed"), []);
  assert.deepEqual(bench.drops(), { "keys.store": 1 });
  bench.hear(HEADEND, proposal(1));
  assert.deepEqual(types(bench.settle("committed")), ["epoch.accepted", "notice"]);
});

test("after the broker has come back the newest notice is published again", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1));
  assert.deepEqual(types(bench.feed({ kind: "link", up: true })), ["notice"]);
});

const DROPS: readonly (readonly [KeyServerDrop, (bench: Bench) => void])[] = [
  ["keys.stranger", (bench) => bench.hear(peer("router", "r", 4), stop)],
  ["keys.stranger", (bench) => bench.hear({ ...RECEPTION, publicKey: bytes(9, 32) }, stop)],
  ["keys.message-unexpected", (bench) => bench.hear(BOX, proposal(1))],
  ["keys.message-unexpected", (bench) => bench.hear(HEADEND, stop)],
  ["keys.message-unexpected", (bench) => bench.answer(BOX, stop)],
  ["keys.answer-unknown", (bench) => bench.answer(RECEPTION, { type: "permission", id: bytes(1) })],
  [
    "keys.channel-unknown",
    (bench) => bench.hear(HEADEND, { type: "epoch.taken", id: bytes(1), channel: "nine", epoch: 1 }),
  ],
  ["keys.channel-unknown", (bench) => bench.feed({ kind: "rekey", channel: "nine" })],
  [
    "keys.epoch-unknown",
    (bench) => bench.hear(HEADEND, proposal(1, { key: { ...proposal(1).key, masterKey: bytes(1, 32) } })),
  ],
  [
    "keys.channels-full",
    (bench) => {
      bench.hear(HEADEND, proposal(1));
      bench.hear(HEADEND, proposal(1, { parameters: parameters("two") }));
    },
  ],
  [
    "keys.committing",
    (bench) => {
      bench.prompt = false;
      bench.hear(HEADEND, proposal(1));
      bench.hear(HEADEND, proposal(2));
    },
  ],
  [
    "keys.stop-unanswered",
    (bench) => {
      bench.hear(BOX, stop);
      bench.pass(10_000);
    },
  ],
  [
    "keys.stop-unanswered",
    (bench) => {
      bench.hear(BOX, stop);
      bench.hear(BOX, { ...stop, reception: bytes(10) });
    },
  ],
];

for (const [drop, earn] of DROPS) {
  test(`${drop} is counted and answered by nothing`, () => {
    const bench = new Bench({ channels: 1, waiting: 1 });
    earn(bench);
    assert.equal(bench.drops()[drop], 1);
  });
}
