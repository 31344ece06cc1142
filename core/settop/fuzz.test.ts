import assert from "node:assert/strict";
import { toHex } from "../base/bytes.ts";
import { fuzz } from "../base/fuzz.testkit.ts";
import { milliseconds } from "../base/time.ts";
import { DENIALS, type Denial, MESSAGES, type Message } from "../control/messages.ts";
import type { Entropy } from "../ports/entropy.ts";
import { JOURNAL_LIMIT } from "../ports/journal.ts";
import type { SettopEffect, SettopEvent } from "./events.ts";
import { PENDING_STOPS_LIMIT } from "./pending-stops.ts";
import { keyOf, SimulatedSettop } from "./settop.testkit.ts";

/** Of one pass. */
const STEPS = 30_000;
const IDS = ["one", "two", "three", "none"];
const SPANS = [0, 1, 250, 2000, 60_000, 366 * 86_400_000];
const NUMBERS = [0, 1, 2, 7, 8, 9, 100, 0xffff, 0x8000_0000, 0xffff_ffff];

const ALL = Object.keys(MESSAGES) as (keyof typeof MESSAGES)[];
/** Every type there is, and those that a set-top hears more often. */
const TYPES = [
  ...ALL,
  ...Array<"key.grant">(16).fill("key.grant"),
  ...Array<"stop.acknowledged">(16).fill("stop.acknowledged"),
];

class Draws {
  readonly #entropy: Entropy;
  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  below(limit: number): number {
    return Math.floor(this.#entropy.below(limit));
  }

  pick<T>(from: readonly T[]): T {
    const chosen = from[this.below(from.length)];
    assert.ok(chosen !== undefined);
    return chosen;
  }

  bytes(length: number): Uint8Array {
    return this.#entropy.bytes(length);
  }
}

/** A message of any type with fields from anywhere in their ranges; half of them answer something that was really asked. */
function anyMessage(draws: Draws, simulated: SimulatedSettop): Message {
  const request = draws.below(4) > 0 ? simulated.requests().at(-1 - draws.below(3)) : undefined;
  const stop = draws.below(4) > 0 ? simulated.stops().at(-1 - draws.below(3)) : undefined;
  const id = request?.id ?? draws.bytes(16);
  const channel = request?.channel ?? draws.pick(IDS);
  const reception = request?.reception ?? draws.bytes(16);
  const type = draws.pick(TYPES);
  switch (type) {
    case "key.grant":
      return anyGrant(draws, id, channel);
    case "key.denied":
      return { type, id, channel, reason: draws.pick(Object.keys(DENIALS) as Denial[]), text: "" };
    case "key.busy":
      return {
        type,
        id,
        channel,
        reason: draws.pick(["no-epoch", "reception-server", "load"]),
        retryAfter: draws.pick(SPANS),
      };
    case "stop.acknowledged":
      return { type, id: stop?.id ?? id, channel: stop?.channel ?? channel, reception: stop?.reception ?? reception };
    case "stop":
      return { type, id, channel, reception, cause: draws.pick(["stopped", "power-lost"]) };
    case "key.request":
      return { type, id, channel, reception, reason: draws.pick(["start", "rekey", "refresh", "resync"]) };
    case "permission":
      return { type, id };
    case "refusal":
      return { type, id, reason: "not-entitled" };
    case "epoch.demand":
      return { type, id, channel };
    case "epoch.accepted":
    case "epoch.taken":
      return { type, id, channel, epoch: draws.pick(NUMBERS) };
    case "rekey.demand.acknowledged":
      return { type, id };
    default:
      return { type: "stream.report", id, channel, ssrc: 1, roc: 0, seq: 0, current: draws.pick(NUMBERS), endsIn: 0 };
  }
}

function anyGrant(draws: Draws, id: Uint8Array, channel: string): Message {
  const base = draws.below(3) > 0 ? 7 + draws.below(4) : draws.pick(NUMBERS);
  const count = 1 + draws.below(3);
  const suite = draws.pick([
    "AEAD_AES_128_GCM",
    "AEAD_AES_128_GCM",
    "AES_CM_128_HMAC_SHA1_80",
    "AEAD_AES_256_GCM",
  ] as const);
  const position = { roc: draws.pick(NUMBERS), seq: draws.below(65536), age: draws.pick(SPANS) };
  return {
    type: "key.grant",
    id,
    channel,
    stream: { suite, mkiLength: draws.pick([0, 4] as const), ssrc: draws.below(2), payloadType: draws.below(128) },
    epochs: Array.from({ length: count }, (_, i) => keyOf(base + (draws.below(8) === 0 ? 0 : i), 1)),
    current: draws.pick(NUMBERS),
    ...(draws.below(2) === 0 ? {} : { position }),
    refreshWithin: draws.pick(SPANS),
  };
}

function anyEvent(draws: Draws, simulated: SimulatedSettop): SettopEvent {
  const channel = draws.pick(IDS);
  switch (draws.below(12)) {
    case 0:
      return { kind: "tune", channel };
    case 1:
      return draws.below(3) === 0 ? { kind: "stop", channel } : { kind: "joined", channel };
    case 2:
      return draws.below(2) === 0 ? { kind: "zap", channel } : { kind: "zap", channel, from: draws.pick(IDS) };
    case 3:
      return { kind: "broker", up: draws.below(4) > 0 };
    case 4:
      return { kind: "join-failed", channel, why: "because" };
    case 5:
    case 6: {
      const issued = draws.pick([0, 1_767_225_600_000, 253_402_300_799_999]);
      const [epoch, switchIn, window] = [draws.pick(NUMBERS), draws.pick(SPANS), draws.pick(SPANS)];
      return { kind: "notice", notice: { channel, epoch, issued, switchIn, window } };
    }
    case 7:
      return {
        kind: "stream",
        channel,
        sign: { kind: draws.pick(["clear", "began-anew", "unknown-epoch"]), epoch: draws.pick(NUMBERS) },
      };
    case 8:
      return { kind: "stream", channel, sign: { kind: "position-lost" } };
    default:
      return { kind: "answer", message: anyMessage(draws, simulated) };
  }
}

/** The data plane as the effects describe it: what the machine believes must be what it has installed. */
class Plane {
  readonly epochs = new Map<string, Set<number>>();
  readonly watched = new Set<string>();
  readonly joined = new Set<string>();

  apply(effect: SettopEffect): void {
    const held =
      "channel" in effect && typeof effect.channel === "string" ? this.epochs.get(effect.channel) : undefined;
    switch (effect.kind) {
      case "watch":
        assert.ok(!this.watched.has(effect.channel));
        this.watched.add(effect.channel);
        return;
      case "unwatch":
        assert.ok(this.watched.delete(effect.channel));
        return;
      case "join":
        this.joined.add(effect.channel.id);
        return;
      case "leave":
        assert.ok(this.joined.delete(effect.channel.id), "leaves only what was joined");
        return;
      case "receive":
        this.epochs.set(effect.channel, new Set());
        return;
      case "install":
        assert.ok(held !== undefined && !held.has(effect.key.epoch), "installs each epoch once, into a receiver");
        held.add(effect.key.epoch);
        assert.ok(held.size <= 3, "never more than three epochs");
        return;
      case "retire":
        assert.ok(held?.delete(effect.epoch), "retires only what is installed");
        return;
      case "silence":
        this.epochs.delete(effect.channel);
        return;
      case "send":
      case "remember":
      case "position":
      case "note":
      case "refused":
      case "finished":
      case "receive-unmanaged":
        return;
    }
  }
}

function check(simulated: SimulatedSettop, plane: Plane): void {
  const { viewings, pendingStops } = simulated.settop.status(simulated.now);
  for (const { channel, epochs } of viewings)
    assert.deepEqual(
      [...(plane.epochs.get(channel) ?? [])].sort((a, b) => a - b),
      epochs,
      channel,
    );
  assert.deepEqual([...plane.watched].sort(), viewings.map(({ channel }) => channel).sort());
  assert.ok(
    viewings.length <= 3 && pendingStops.length <= PENDING_STOPS_LIMIT && simulated.journal.length <= JOURNAL_LIMIT,
  );
  const remembered = new Set(simulated.journal.map(({ reception }) => toHex(reception)));
  for (const { reception } of pendingStops) assert.ok(remembered.has(reception), "a pending stop is in the journal");
  assert.ok(
    [...remembered].every(
      (name) => viewings.some((v) => v.reception === name) || pendingStops.some((s) => s.reception === name),
    ),
  );
}

/** Every reception that a request has named was in the journal before. */
class SeenEffects {
  readonly #remembered = new Set<string>();

  readonly kinds = new Map<string, number>();

  add(effect: SettopEffect): void {
    this.kinds.set(effect.kind, (this.kinds.get(effect.kind) ?? 0) + 1);
    if (effect.kind === "remember") {
      this.#remembered.clear();
      for (const { reception } of effect.entries) this.#remembered.add(toHex(reception));
    } else if (effect.kind === "send" && effect.message.type === "key.request")
      assert.ok(
        this.#remembered.has(toHex(effect.message.reception)),
        "the journal knows a reception before the server",
      );
  }
}

const AGREE = "events of every kind: no throw, three epochs at most, machine, journal and data plane agree";

fuzz(AGREE, { seed: 2026, rounds: STEPS }, ({ entropy, rounds }) => {
  const draws = new Draws(entropy);
  const simulated = new SimulatedSettop({ most: 3, linger: milliseconds(500) });
  const seen = new SeenEffects();
  let plane = new Plane();
  for (let step = 0; step < rounds; step++) {
    simulated.feed(anyEvent(draws, simulated));
    if (draws.below(3) === 0) simulated.run(draws.below(draws.pick([10, 1000, 60_000])));
    for (const effect of simulated.effects.splice(0)) {
      plane.apply(effect);
      seen.add(effect);
    }
    if (step % 5 === 0) check(simulated, plane);
    if (simulated.sent.length > 200) simulated.sent.splice(0, 150);
    if (step % 997 !== 0) continue;
    simulated.powerCut();
    plane = new Plane();
  }
  for (const kind of ["join", "leave", "receive", "install", "retire", "position", "silence", "remember", "refused"])
    assert.ok((seen.kinds.get(kind) ?? 0) > 100, `${kind} is reached: ${JSON.stringify([...seen.kinds])}`);
});
