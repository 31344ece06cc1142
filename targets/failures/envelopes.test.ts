// Garbage and mutated envelopes by a set-top with valid credentials: control names them, and answers another set-top meanwhile.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { encode } from "cborg";
import { fromHex } from "../../core/base/bytes.ts";
import { seedOf, withSeed } from "../../core/base/fuzz.testkit.ts";
import { encodeMessage, isBadMessage } from "../../core/control/codec.ts";
import { MESSAGES, type Message } from "../../core/control/messages.ts";
import type { Peer } from "../../core/control/participant.ts";
import { SESSION_LIMITS, Sessions } from "../../core/control/sessions.ts";
import { formatTopic } from "../../core/control/topics.ts";
import type { Bus } from "../../core/ports/bus.ts";
import { MqttBuses } from "../../hal/bus/mqtt.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import type { Identity } from "../../hal/identity/identity.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { UnhinderedTime } from "../shared/processor-wait.testkit.ts";
import { type Configured, type Json, scratch } from "./bundles.testkit.ts";
import { System } from "./system.testkit.ts";

const ROUNDS = 50;
const BATCH = 200;
const MOST_GROWTH = 96 * 1024 * 1024;
const ID = "mallory";
const folder = scratch("envelopes");
const SEED = seedOf(5);
const entropy = new SeededEntropy(SEED);
const below = (limit: number): number => Math.floor(entropy.below(limit));

/** Seals whatever it is given, as a set-top that has been opened up can. */
class Mallory {
  readonly #sessions: Sessions;
  readonly #keyServer: Peer;
  readonly #bus: Bus;
  readonly #kept: Uint8Array[] = [];

  private constructor(identity: Identity, keyServer: Peer, bus: Bus) {
    const primitives = new NodePrimitives();
    this.#sessions = new Sessions(ID, identity.x25519, primitives, entropy, SESSION_LIMITS);
    this.#keyServer = keyServer;
    this.#bus = bus;
  }

  static async join(system: System): Promise<Mallory> {
    const identity = await system.admit("settop", ID);
    const { url } = system.broker;
    const publicKey = fromHex(system.keyServer.publicKey) ?? new Uint8Array(32);
    const buses = new MqttBuses({ url, password: identity.password }, systemClock, entropy);
    return new Promise((resolve, reject) => {
      const filters = [formatTopic({ kind: "keys.res", id: ID })];
      const listener = { message: () => {}, up: () => resolve(mallory), down: reject };
      const bus: Bus = buses.connect({ clientId: ID, filters }, listener);
      const mallory = new Mallory(identity, { role: "keyserver", id: "key-server", publicKey }, bus);
    });
  }

  get dropped(): number {
    return this.#bus.dropped;
  }

  close(): Promise<void> {
    return this.#bus.close();
  }

  publish(): void {
    const shard = below(3) === 0 ? below(10_000) : 0;
    this.#bus.publish(formatTopic({ kind: "keys.req", shard, id: ID }), this.#envelope());
  }

  /** The other topic that is its own; the broker keeps the last one. */
  publishStatus(): void {
    const topic = formatTopic({ kind: "status", role: "settop", id: ID });
    this.#bus.publish(topic, entropy.bytes(below(200)), below(2) === 0);
  }

  #envelope(): Uint8Array {
    const kind = below(6);
    if (kind === 0) return entropy.bytes(below(300));
    if (kind === 1) return entropy.bytes(15_000);
    const sealed = this.#sessions.seal(systemClock.now(), this.#keyServer, text());
    if (this.#kept.length < 50) this.#kept.push(sealed.slice());
    if (kind === 2) return this.#kept[below(this.#kept.length)] ?? sealed;
    if (kind === 3) return sealed.subarray(0, below(sealed.length));
    if (kind === 4) for (let flips = below(3); flips >= 0; flips--) flip(sealed);
    return sealed;
  }
}

function flip(bytes: Uint8Array): void {
  const at = below(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
}

/** What no sound set-top would seal. */
function text(): Uint8Array {
  const right = encodeMessage(request(below(2) === 0 ? "one" : "no-such-channel"));
  if (isBadMessage(right)) throw new RangeError(right.detail);
  switch (below(6)) {
    case 0:
      return entropy.bytes(below(400));
    case 1:
      flip(right);
      return right;
    case 2:
      return right.subarray(0, below(right.length));
    case 3:
      return Uint8Array.from({ length: 4000 }, () => 0x81);
    case 4:
      return encode({ ...request("one"), type: Object.keys(MESSAGES)[below(Object.keys(MESSAGES).length)] });
    default:
      return encode({ ...request("one"), [`x${below(9)}`]: entropy.bytes(9), have: -below(9) });
  }
}

const request = (channel: string): Message => ({
  type: "key.request",
  id: entropy.bytes(16),
  channel,
  reception: entropy.bytes(16),
  reason: "start",
});

/** Unhindered milliseconds from a stop and a new request to the new key. */
async function asksAgain(box: Configured, control: Configured): Promise<number> {
  const time = new UnhinderedTime(process.pid, box.pid, control.pid);
  await box.command("stop", { channel: "one" });
  await box.command("tune", { channel: "one" });
  await box.see("a key", ({ channels: [one] }: Json) => (one?.viewing.epochs.length > 0 ? true : undefined));
  return time.stop();
}

const sum = (drops: Record<string, number>): number => Object.values(drops).reduce((all, n) => all + n, 0);

test(`${ROUNDS * BATCH} envelopes that are none, by one who may publish them`, () =>
  withSeed(SEED, async () => {
    const system = await System.start(folder, "239.255.79.12");
    after(() => system.close());
    const headend = await system.headend();
    const box = await system.settop("box");
    const mallory = await Mallory.join(system);
    const before = system.control.memory;
    const waits: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (let n = 0; n < BATCH; n++) mallory.publish();
      mallory.publishStatus();
      if (round % 10 === 5) waits.push(await asksAgain(box, system.control));
      await system.control.status();
    }
    const { keyServer } = await system.control.see("nearly all of them", (status: Json) => {
      const seen = sum(status.keyServer.messageDrops) + sum(status.keyServer.messages.received);
      return seen >= ROUNDS * BATCH - mallory.dropped && status;
    });
    for (const drop of [
      "truncated",
      "version",
      "kind",
      "sender",
      "sequence",
      "recipient",
      "forged",
      "replayed",
      "crowded",
    ])
      assert.ok(keyServer.messageDrops[`envelope.${drop}`] > 0, JSON.stringify(keyServer.messageDrops));
    for (const drop of ["malformed", "unknown-type", "invalid"])
      assert.ok(keyServer.messageDrops[`message.${drop}`] > 0, JSON.stringify(keyServer.messageDrops));
    assert.equal(mallory.dropped, 0);
    assert.ok(Math.max(...waits) < 2000, `${waits} ms`);
    assert.ok(system.control.memory - before < MOST_GROWTH, `grown by ${system.control.memory - before}`);
    await mallory.close();
    assert.equal((await box.stop()).code, 0);
    assert.equal((await headend.stop()).code, 0);
    assert.equal((await system.control.stop()).code, 0);
  }));
