// A set-top, a key server and a headend talk over the simulated bus: what goes through, what is counted, what is dropped.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SimulatedBroker, type SimulatedBusFaults } from "../../hal/bus/simulated.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { milliseconds, seconds } from "../base/time.ts";
import { Endpoint, type EndpointListener, type EndpointOptions } from "./endpoint.ts";
import { Mailbox, type Received } from "./mailbox.ts";
import { EXAMPLE_NOTICE, EXAMPLES } from "./messages.testkit.ts";
import type { Notice } from "./messages.ts";
import type { Peer, Role } from "./participant.ts";
import type { Presence } from "./presence.ts";
import { Requester } from "./requester.ts";

const primitives = new NodePrimitives();
const signing = primitives.ed25519Generate();

interface Station {
  readonly endpoint: Endpoint;
  readonly peer: Peer;
  readonly received: Received[];
  readonly notices: Notice[];
  /** Of each notice, whether the broker had kept it. */
  readonly retained: boolean[];
  readonly dropped: string[];
  onMessage: (received: Received) => void;
}

class World {
  readonly clock = new SimulatedClock();
  readonly broker: SimulatedBroker;
  readonly log: string[] = [];
  #seed = 0;

  constructor(seed = 1, faults: Partial<SimulatedBusFaults> = {}) {
    this.broker = new SimulatedBroker(this.clock, new SeededEntropy(seed), faults);
  }

  station(role: Role, id: string, peers: readonly Station[], noticeKey?: EndpointOptions["noticeKey"]): Station {
    const entropy = new SeededEntropy(1000 + this.#seed++);
    const privateKey = entropy.bytes(32);
    const keys = { privateKey, publicKey: primitives.x25519Public(privateKey) };
    const mailbox = new Mailbox({ role, id, keys, peers: peers.map(({ peer }) => peer) }, primitives, entropy);
    const station = {
      peer: { role, id, publicKey: keys.publicKey },
      received: [] as Received[],
      notices: [] as Notice[],
      retained: [] as boolean[],
      dropped: [] as string[],
      onMessage: (_: Received): void => {},
    };
    const say = (text: string): void => void this.log.push(`${this.clock.now().toFixed(3)} ${id} ${text}`);
    const listener: EndpointListener = {
      message: (received) => {
        say(`hears ${received.message.type} from ${received.from.id}`);
        station.received.push(received);
        made.onMessage(received);
      },
      notice: (notice, retained) => {
        station.notices.push(notice);
        station.retained.push(retained);
      },
      up: () => say("is up"),
      down: (error) => say(`is down: ${error.code}`),
      dropped: (drop) => station.dropped.push(drop),
    };
    const options = { mailbox, clock: this.clock, primitives, ...(noticeKey === undefined ? {} : { noticeKey }) };
    const endpoint = new Endpoint(this.broker.connector(role), options, listener);
    const made: Station = Object.assign(station, { endpoint });
    return made;
  }
}

function pair(world: World): { keys: Station; box: Station } {
  const keys = world.station("keyserver", "keys", [], { sign: signing.privateKey });
  const box = world.station("settop", "box-1", [keys], { verify: signing.publicKey });
  world.clock.run(seconds(1));
  return { keys, box };
}

test("a request is answered, and both sides count the patent's numbers", () => {
  const world = new World();
  const { keys, box } = pair(world);
  keys.onMessage = ({ request }) => {
    if (request !== undefined) keys.endpoint.answer(request, EXAMPLES["key.grant"]);
  };
  box.endpoint.send(keys.peer, { ...EXAMPLES["key.request"], reason: "start" });
  world.clock.run(seconds(1));
  assert.deepEqual(box.received[0]?.message, EXAMPLES["key.grant"]);
  assert.deepEqual(box.endpoint.sent.snapshot(), { "73": 1 });
  assert.deepEqual(keys.endpoint.received.snapshot(), { "73": 1 });
  assert.deepEqual(keys.endpoint.sent.snapshot(), { "76": 1 });
  assert.deepEqual(box.endpoint.received.snapshot(), { "76": 1 });
});

test("the grant that follows a rekey is 95", () => {
  const world = new World();
  const { keys, box } = pair(world);
  keys.onMessage = ({ request }) => {
    if (request !== undefined) keys.endpoint.answer(request, EXAMPLES["key.grant"]);
  };
  box.endpoint.send(keys.peer, EXAMPLES["key.request"]);
  world.clock.run(seconds(1));
  assert.deepEqual(box.endpoint.sent.snapshot(), { "92": 1 });
  assert.deepEqual(box.endpoint.received.snapshot(), { "95": 1 });
});

test("a notice reaches whoever watches the channel, also the one who comes later, and nobody else", async () => {
  const world = new World();
  const { keys, box } = pair(world);
  const late = world.station("settop", "box-2", [keys], { verify: signing.publicKey });
  const elsewhere = world.station("settop", "box-3", [keys], { verify: signing.publicKey });
  void box.endpoint.watch("news");
  void elsewhere.endpoint.watch("sport");
  world.clock.run(seconds(1));
  keys.endpoint.notice(EXAMPLE_NOTICE);
  world.clock.run(seconds(1));
  void late.endpoint.watch("news");
  world.clock.run(seconds(1));
  assert.deepEqual(box.notices, [EXAMPLE_NOTICE]);
  assert.deepEqual(late.notices, [EXAMPLE_NOTICE]);
  assert.deepEqual([...box.retained, ...late.retained], [false, true]);
  assert.deepEqual(elsewhere.notices, []);
  assert.deepEqual(keys.endpoint.sent.snapshot(), { "91": 1 });
  assert.deepEqual(late.endpoint.received.snapshot(), { "91": 1 });
});

test("what does not open is dropped, counted and told by name", () => {
  const world = new World();
  const { keys, box } = pair(world);
  world.broker.route("sealcast/1/keys/req/0/box-1", new Uint8Array(100), false);
  world.broker.route("sealcast/1/keys/req/0/box-1", Uint8Array.of(1), false);
  void box.endpoint.watch("news");
  world.clock.run(seconds(1));
  world.broker.route("sealcast/1/notice/news/0", new Uint8Array(100), false);
  world.clock.run(seconds(1));
  assert.deepEqual(keys.dropped, ["envelope.version", "envelope.truncated"]);
  assert.deepEqual(keys.endpoint.drops.snapshot(), { "envelope.truncated": 1, "envelope.version": 1 });
  assert.deepEqual(box.endpoint.drops.snapshot(), { "notice.version": 1 });
});

test("endpoint.unsendable: a message that nobody would accept is not sent", () => {
  const world = new World();
  const { keys, box } = pair(world);
  box.endpoint.send(keys.peer, { ...EXAMPLES["key.request"], have: 1.5 });
  world.clock.run(seconds(1));
  assert.deepEqual(box.dropped, ["endpoint.unsendable"]);
  assert.deepEqual(keys.received, []);
  assert.deepEqual(box.endpoint.sent.snapshot(), {});
});

test("endpoint.notice-key: a notice where there is no key to check it with", () => {
  const world = new World();
  const { keys } = pair(world);
  const head = world.station("settop", "box-4", [keys]);
  void head.endpoint.watch("news");
  world.clock.run(seconds(1));
  keys.endpoint.notice(EXAMPLE_NOTICE);
  world.clock.run(seconds(1));
  assert.deepEqual(head.dropped, ["endpoint.notice-key"]);
  assert.throws(() => head.endpoint.notice(EXAMPLE_NOTICE), RangeError);
});

test("the status topic says up, lost and stopped", async () => {
  const world = new World();
  const { keys, box } = pair(world);
  const status = (): string =>
    world.broker
      .retainedFor("sealcast/1/status/settop/box-1")
      .map(({ payload }) => new TextDecoder().decode(payload))
      .join();
  assert.equal(status(), "up");
  world.broker.cut("box-1");
  assert.equal(status(), "lost");
  world.clock.run(seconds(2));
  assert.equal(status(), "up");
  await box.endpoint.close();
  world.clock.run(seconds(1));
  assert.equal(status(), "stopped");
  assert.equal(keys.endpoint.connected, true);
});

test("alarms of a participant reach who watches its role, also who comes later, and after a cut; nobody else is told of", async () => {
  const world = new World();
  const { keys, box } = pair(world);
  const studio = world.station("headend", "studio", [keys]);
  const heard: string[] = [];
  const hear = (id: string, { state, alarms }: Presence): void => void heard.push([id, state, ...alarms].join(" | "));
  studio.endpoint.tell(["news: input-silent"]);
  world.clock.run(seconds(1));
  await watching(world, keys.endpoint.watchPresence("headend", hear));
  studio.endpoint.tell(["news: input-silent", "sport: output-failing: ENODEV"]);
  box.endpoint.tell(["none of the headend's"]);
  world.clock.run(seconds(1));
  world.broker.cut("studio");
  world.clock.run(seconds(2));
  studio.endpoint.tell([]);
  world.clock.run(seconds(1));
  assert.deepEqual(heard, [
    "studio | up | news: input-silent",
    "studio | up | news: input-silent | sport: output-failing: ENODEV",
    "studio | lost",
    "studio | up | news: input-silent | sport: output-failing: ENODEV",
    "studio | up",
  ]);
  world.broker.route("sealcast/1/status/headend/studio", new TextEncoder().encode("well"), false);
  world.clock.run(seconds(1));
  assert.deepEqual(keys.dropped, ["endpoint.presence"]);
});

async function watching(world: World, subscribed: Promise<void>): Promise<void> {
  world.clock.run(seconds(1));
  await subscribed;
}

/** Thirty questions over a bad network, repeated until answered; returns the log. */
function badNetwork(seed: number): readonly string[] {
  const world = new World(seed, {
    loss: 0.3,
    duplication: 0.2,
    delay: { least: milliseconds(1), most: milliseconds(300) },
  });
  const { keys, box } = pair(world);
  const entropy = new SeededEntropy(seed);
  const requester = new Requester(entropy);
  keys.onMessage = ({ request, message }) => {
    if (request !== undefined) keys.endpoint.answer(request, { ...EXAMPLES["key.grant"], id: message.id });
  };
  let answered = 0;
  box.onMessage = ({ from, message }) => {
    const matched = requester.receive(world.clock.now(), from, message);
    if (typeof matched !== "string") answered += 1;
  };
  const send = (effects: ReturnType<Requester["poll"]>): void => {
    for (const effect of effects) if (effect.kind === "send") box.endpoint.send(effect.to, effect.message);
  };
  for (let i = 0; i < 30; i++) {
    const message = { ...EXAMPLES["key.request"], id: entropy.bytes(16) };
    send(requester.ask(world.clock.now(), { to: keys.peer, message }));
  }
  for (let turn = 0; turn < 10_000 && requester.outstanding > 0; turn++) {
    if (turn === 20) world.broker.cut("box-1");
    if (turn === 40) world.broker.stop();
    if (turn === 60) world.broker.start();
    world.clock.run(milliseconds(50));
    send(requester.poll(world.clock.now()));
  }
  assert.equal(answered, 30);
  return world.log;
}

test("thirty questions are answered in spite of loss, repetition, a cut and a broker that restarts", () => {
  assert.ok(badNetwork(3).some((line) => line.includes("is down")));
});

test("the same seed gives the same log, another seed another", () => {
  assert.deepEqual(badNetwork(5), badNetwork(5));
  assert.notDeepEqual(badNetwork(5), badNetwork(6));
});
