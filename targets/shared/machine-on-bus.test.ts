// A machine on a bus of the simulation, and a key server's end of it on the other side.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import type { Machine } from "../../core/base/machine.ts";
import { seconds } from "../../core/base/time.ts";
import type { Received } from "../../core/control/mailbox.ts";
import { EXAMPLES } from "../../core/control/messages.testkit.ts";
import type { BusListener } from "../../core/ports/bus.ts";
import { HalError } from "../../core/ports/errors.ts";
import { SimulatedBroker } from "../../hal/bus/simulated.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { BusConnection, type BusEffect, type BusEvent, MachineOnBus } from "./machine-on-bus.ts";

const primitives = new NodePrimitives();
const [boxKeys, serverKeys, noticeKeys] = [
  primitives.x25519Generate(),
  primitives.x25519Generate(),
  primitives.ed25519Generate(),
];
const server = { role: "keyserver", id: "keys", publicKey: serverKeys.publicKey } as const;

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly code?: string;
  readonly drop?: string;
}

function world() {
  const clock = new SimulatedClock();
  const entropy = new SeededEntropy(1);
  const broker = new SimulatedBroker(clock, entropy);
  const lines: Line[] = [];
  const log = pino({ level: "debug" }, { write: (text: string) => void lines.push(JSON.parse(text) as Line) });
  const platform = (role: "settop" | "keyserver") => ({
    clock,
    entropy,
    primitives,
    buses: broker.connector(role),
    log,
  });
  return { clock, broker, lines, log, entropy, platform };
}

const settop = { role: "settop", id: "box-1", keys: boxKeys, peers: [server] } as const;
const keyserver = { role: "keyserver", id: "keys", keys: serverKeys, peers: [] } as const;

/** Says what it is told to when it hears that the broker is there. */
class Sayer implements Machine<BusEvent, BusEffect> {
  readonly heard: BusEvent[] = [];
  readonly #says: BusEffect;

  constructor(says: BusEffect) {
    this.#says = says;
  }

  receive(_: unknown, event: BusEvent): readonly BusEffect[] {
    this.heard.push(event);
    return event.kind === "broker" && event.up ? [this.#says] : [];
  }

  poll(): readonly BusEffect[] {
    return [];
  }

  nextDeadline(): undefined {
    return undefined;
  }
}

test("a machine hears that the broker is there, what it says arrives, and the answer comes back to it", async () => {
  const { clock, platform, lines } = world();
  const asked: Received[] = [];
  const keys = new BusConnection(keyserver, platform("keyserver"), (event) => {
    if (event.kind !== "message" || event.received.request === undefined) return;
    asked.push(event.received);
    keys.say({ kind: "answer", request: event.received.request, message: EXAMPLES["key.denied"] });
  });
  clock.run(seconds(1));
  const machine = new Sayer({ kind: "send", to: server, message: EXAMPLES["key.request"] });
  const onBus: MachineOnBus<BusEvent, BusEffect> = new MachineOnBus(
    settop,
    platform("settop"),
    machine,
    (event) => event,
    (effect) => onBus.bus.say(effect),
  );
  clock.run(seconds(1));
  assert.deepEqual(asked[0]?.message, EXAMPLES["key.request"]);
  assert.deepEqual(
    machine.heard.map((event) => (event.kind === "message" ? event.received.message.type : event.kind)),
    ["broker", "key.denied"],
  );
  assert.deepEqual(onBus.bus.messages().sent, { 92: 1 });
  assert.ok(lines.some(({ msg }) => msg === "broker connected"));
  await onBus.stop();
  onBus.feed({ kind: "broker", up: true });
  assert.equal(machine.heard.length, 2, "a machine that was stopped hears nothing more");
});

test("notices are signed by the one who has the key and heard by who watches the channel", () => {
  const { clock, platform } = world();
  const heard: BusEvent[] = [];
  const signer = { ...keyserver, noticeKey: { sign: noticeKeys.privateKey } };
  const keys = new BusConnection(signer, platform("keyserver"), () => {});
  const reader = { ...settop, noticeKey: { verify: noticeKeys.publicKey } };
  const box = new BusConnection(reader, platform("settop"), (event) => heard.push(event));
  clock.run(seconds(1));
  void box.watch("news");
  clock.run(seconds(1));
  const notice = { channel: "news", epoch: 7, issued: 1, switchIn: 2, window: 3 };
  keys.say({ kind: "notice", notice });
  clock.run(seconds(1));
  assert.deepEqual(heard.at(-1), { kind: "notice", notice, retained: false });
});

/** A bus whose listener is in the test's hands. */
function held() {
  const { clock, entropy, lines, log } = world();
  let listener: BusListener | undefined;
  const heard: BusEvent[] = [];
  const buses = {
    connect: (_: unknown, given: BusListener) => {
      listener = given;
      return {
        connected: false,
        dropped: 0,
        publish() {},
        subscribe: () => Promise.resolve(),
        unsubscribe() {},
        close: () => Promise.resolve(),
      };
    },
  };
  const connection = new BusConnection(
    { ...settop, title: "the box" },
    { clock, entropy, primitives, buses, log },
    (event) => heard.push(event),
  );
  assert.ok(listener !== undefined);
  return { clock, connection, lines, heard, listener };
}

test("why the broker is away is logged with its code and handed on", () => {
  const { listener, heard, lines } = held();
  const error = new HalError("bus.credentials", "the broker refuses");
  listener.up();
  listener.down(error);
  assert.deepEqual(heard, [
    { kind: "broker", up: true },
    { kind: "broker", up: false, error },
  ]);
  assert.deepEqual(
    lines.map(({ level, msg, code }) => [level, msg, code]),
    [
      [30, "the box: broker connected", undefined],
      [40, "the box: the broker refuses", "bus.credentials"],
    ],
  );
});

test("each dropped message is counted; the log has eight lines of a kind at once, and then one a minute", () => {
  const { clock, connection, lines, listener } = held();
  const receive = (topic: string, times: number): void => {
    for (let i = 0; i < times; i++) listener.message({ topic, payload: new Uint8Array(100), retained: false });
  };
  const linesOf = (kind: string): number => lines.filter(({ drop }) => drop === kind).length;
  receive("elsewhere", 1000);
  receive("sealcast/1/keys/res/..", 2);
  assert.deepEqual(connection.drops.snapshot(), { "topic.unknown": 1000, "topic.identifier": 2 });
  assert.equal(linesOf("topic.unknown"), 8);
  assert.equal(linesOf("topic.identifier"), 2, "one kind does not use up the lines of another");
  clock.run(seconds(61));
  receive("elsewhere", 1000);
  assert.equal(linesOf("topic.unknown"), 9);
});
