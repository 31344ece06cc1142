// What every driver of port Bus must do: delivery for all, access and reconnection for those with a broker of their own.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Role } from "../../core/control/participant.ts";
import type { Bus, BusConnector, BusListener, BusMessage, BusOptions } from "../../core/ports/bus.ts";
import type { HalError } from "../../core/ports/errors.ts";

/** The participants that every harness knows, with the password `password-of-` and the id. */
export const PARTICIPANTS = [
  { role: "settop", id: "box-1" },
  { role: "settop", id: "box-2" },
  { role: "keyserver", id: "keys" },
  { role: "reception", id: "receptions" },
  { role: "headend", id: "head" },
  { role: "router", id: "router-12" },
] as const satisfies readonly { role: Role; id: string }[];
export type ParticipantId = (typeof PARTICIPANTS)[number]["id"];

export const passwordOf = (id: string): string => `password-of-${id}`;

/** A broker and a way to connect to it as one of the participants. */
export interface BusHarness {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  connector(id: ParticipantId): BusConnector;
  /** Waits for something to happen; a simulated harness moves its clock meanwhile. */
  settle<T>(promise: Promise<T>): Promise<T>;
  /** A connector with other credentials, where the driver has any. */
  withPassword?(password: string): BusConnector;
  /** False when a foreign filter is granted and then brings nothing, as Mosquitto does with an acl_file. */
  readonly refusesFilters: boolean;
  /** The connection of this participant breaks without a word. */
  cut?(id: ParticipantId): void;
  /** The broker is killed; it comes back at the same place. */
  killBroker?(): Promise<void>;
  restartBroker?(): Promise<void>;
}

/** Fails a promise that nothing settles: only for harnesses in real time. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing happened within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Things that come, and those who wait for them. */
class Queue<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((item: T) => void)[] = [];

  put(item: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#items.push(item);
    else waiting(item);
  }

  take(): Promise<T> {
    const item = this.#items.shift();
    return item === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(item);
  }
}

class Probe implements BusListener {
  readonly messages = new Queue<BusMessage>();
  readonly ups = new Queue<true>();
  readonly downs = new Queue<HalError>();
  message(message: BusMessage): void {
    this.messages.put(message);
  }
  up(): void {
    this.ups.put(true);
  }
  down(error: HalError): void {
    this.downs.put(error);
  }
}

interface Station {
  readonly bus: Bus;
  readonly probe: Probe;
  /** The next message as "topic text", with " retained" behind it when it was kept. */
  next(): Promise<string>;
  up(): Promise<void>;
  down(): Promise<HalError>;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const ROOT = "sealcast/1";

export function busContract(harness: BusHarness): void {
  const open: Bus[] = [];

  function station(id: ParticipantId, options: Partial<BusOptions> = {}): Station {
    const probe = new Probe();
    const bus = harness.connector(id).connect({ clientId: id, filters: [], ...options }, probe);
    open.push(bus);
    const next = async () => {
      const { topic, payload, retained } = await harness.settle(probe.messages.take());
      return `${topic.slice(ROOT.length + 1)} ${decode(payload)}${retained ? " retained" : ""}`;
    };
    const up = async () => void (await harness.settle(probe.ups.take()));
    return { bus, probe, next, up, down: () => harness.settle(probe.downs.take()) };
  }

  /** What somebody hears who is not let in, twice: it is tried again. */
  async function refusals(id: string, password: string): Promise<readonly HalError[]> {
    const probe = new Probe();
    const bus = harness.withPassword?.(password).connect({ clientId: id, filters: [] }, probe);
    if (bus !== undefined) open.push(bus);
    const heard = [await harness.settle(probe.downs.take()), await harness.settle(probe.downs.take())];
    assert.equal(bus?.connected, false);
    return heard;
  }

  async function connected(id: ParticipantId, options: Partial<BusOptions> = {}): Promise<Station> {
    const made = station(id, options);
    await made.up();
    return made;
  }

  const publish = ({ bus }: Station, path: string, text: string, retained = false): void =>
    bus.publish(`${ROOT}/${path}`, encode(text), retained);

  const closeAll = async () => {
    await harness.settle(Promise.all(open.splice(0).map((bus) => bus.close())));
  };

  const scenario = (name: string, run: () => Promise<void>): void => {
    test(`${harness.name}: ${name}`, async () => {
      try {
        await run();
      } finally {
        await closeAll();
      }
    });
  };

  before(() => harness.start());
  after(() => harness.stop());

  deliveryContract();
  if (harness.cut !== undefined) accessContract(harness.cut.bind(harness));
  if (harness.withPassword !== undefined) credentialsContract();
  const { killBroker, restartBroker } = harness;
  if (killBroker !== undefined && restartBroker !== undefined)
    reconnectionContract(killBroker.bind(harness), restartBroker.bind(harness));

  function deliveryContract(): void {
    scenario("a message reaches whoever subscribed to its topic, and only those", async () => {
      const keys = await connected("keys");
      const one = await connected("box-1", { filters: [`${ROOT}/keys/res/box-1`] });
      const two = await connected("box-2", { filters: [`${ROOT}/keys/res/box-2`] });
      publish(keys, "keys/res/box-1", "for one");
      publish(keys, "keys/res/box-2", "for two");
      assert.equal(await one.next(), "keys/res/box-1 for one");
      assert.equal(await two.next(), "keys/res/box-2 for two");
    });

    scenario("messages of one sender arrive in order, octet for octet", async () => {
      const keys = await connected("keys", { filters: [`${ROOT}/keys/req/#`] });
      const box = await connected("box-1");
      const octets = Uint8Array.from({ length: 256 }, (_, i) => i);
      for (let i = 0; i < 20; i++) box.bus.publish(`${ROOT}/keys/req/${i}/box-1`, octets.subarray(i));
      for (let i = 0; i < 20; i++) {
        const { topic, payload, retained } = await harness.settle(keys.probe.messages.take());
        assert.equal(topic, `${ROOT}/keys/req/${i}/box-1`);
        assert.deepEqual(new Uint8Array(payload), octets.slice(i));
        assert.equal(retained, false);
      }
    });

    scenario("+ stands for one level", async () => {
      const keys = await connected("keys", { filters: [`${ROOT}/headend/+/up`] });
      const head = await connected("head");
      publish(head, "headend/head/up", "position");
      assert.equal(await keys.next(), "headend/head/up position");
    });

    scenario("a retained message comes at once to whoever subscribes later, and is marked", async () => {
      const keys = await connected("keys");
      publish(keys, "notice/one/0", "epoch 7", true);
      publish(keys, "notice/one/0", "epoch 8", true);
      const box = await connected("box-1");
      await harness.settle(box.bus.subscribe(`${ROOT}/notice/one/+`));
      // The subscription may overtake the publication at the broker; what counts is how it ends.
      const seen = [await box.next()];
      while (!seen.at(-1)?.startsWith("notice/one/0 epoch 8")) seen.push(await box.next());
      publish(keys, "notice/one/0", "epoch 9", true);
      assert.equal(await box.next(), "notice/one/0 epoch 9", "live, so not marked");
      const late = await connected("box-2", { filters: [`${ROOT}/notice/one/+`] });
      assert.equal(await late.next(), "notice/one/0 epoch 9 retained");
    });

    scenario("an empty retained message removes what was kept", async () => {
      const keys = await connected("keys", { filters: [`${ROOT}/status/#`] });
      publish(keys, "status/keyserver/keys", "up", true);
      assert.equal(await keys.next(), "status/keyserver/keys up");
      publish(keys, "status/keyserver/keys", "", true);
      assert.equal(await keys.next(), "status/keyserver/keys ");
      const other = await connected("receptions", { filters: [`${ROOT}/status/keyserver/+`] });
      publish(keys, "status/keyserver/keys", "again", true);
      assert.equal(await other.next(), "status/keyserver/keys again");
    });

    scenario("a filter that was removed brings nothing more", async () => {
      const keys = await connected("keys");
      const box = await connected("box-1", { filters: [`${ROOT}/keys/res/box-1`] });
      await harness.settle(box.bus.subscribe(`${ROOT}/notice/two/+`));
      publish(keys, "notice/two/0", "heard");
      assert.equal(await box.next(), "notice/two/0 heard");
      box.bus.unsubscribe(`${ROOT}/notice/two/+`);
      await harness.settle(box.bus.subscribe(`${ROOT}/notice/three/+`));
      publish(keys, "notice/two/0", "not heard");
      publish(keys, "notice/three/0", "heard");
      assert.equal(await box.next(), "notice/three/0 heard");
    });

    scenario("what is published before the bus is up is dropped and counted", async () => {
      const keys = await connected("keys", { filters: [`${ROOT}/keys/req/#`] });
      const box = station("box-1");
      assert.equal(box.bus.connected, false);
      publish(box, "keys/req/0/box-1", "too early");
      assert.equal(box.bus.dropped, 1);
      await box.up();
      assert.equal(box.bus.connected, true);
      publish(box, "keys/req/0/box-1", "in time");
      assert.equal(await keys.next(), "keys/req/0/box-1 in time");
    });

    scenario("what is published before closing still arrives, and no will follows", async () => {
      const watcher = await connected("keys", { filters: [`${ROOT}/status/settop/+`] });
      const will = { topic: `${ROOT}/status/settop/box-1`, payload: encode("lost") };
      const box = await connected("box-1", { will });
      publish(box, "status/settop/box-1", "stopped", true);
      await harness.settle(box.bus.close());
      const other = await connected("box-2");
      assert.equal(await watcher.next(), "status/settop/box-1 stopped");
      publish(other, "status/settop/box-2", "up", true);
      assert.equal(await watcher.next(), "status/settop/box-2 up");
    });
  }

  function accessContract(cut: (id: ParticipantId) => void): void {
    scenario("a client that vanishes leaves its will, and comes back by itself", async () => {
      const watcher = await connected("keys", { filters: [`${ROOT}/status/settop/+`] });
      const will = { topic: `${ROOT}/status/settop/box-1`, payload: encode("lost") };
      const box = await connected("box-1", { will, filters: [`${ROOT}/keys/res/box-1`] });
      cut("box-1");
      assert.equal((await box.down()).code, "bus.lost");
      const seen = await watcher.next();
      assert.ok(seen.startsWith("status/settop/box-1"), seen);
      await box.up();
      publish(watcher, "keys/res/box-1", "welcome back");
      assert.equal(await box.next(), "keys/res/box-1 welcome back");
    });

    for (const filter of [`${ROOT}/keys/res/box-2`, `${ROOT}/keys/res/+`, "#", `$share/x/${ROOT}/keys/res/#`]) {
      scenario(`a set-top that subscribes to ${filter} hears nothing by it, and stays connected`, async () => {
        const keys = await connected("keys");
        const box = await connected("box-1", { filters: [`${ROOT}/keys/res/box-1`] });
        const subscribed = harness.settle(box.bus.subscribe(filter));
        if (harness.refusesFilters) await assert.rejects(subscribed, { code: "bus.refused" });
        else await subscribed;
        publish(keys, "keys/res/box-2", "for another");
        publish(keys, "headend/head/down", "for another");
        publish(keys, "notice/five/0", "for all, when asked for");
        publish(keys, "keys/res/box-1", "still here");
        const heard = [await box.next()];
        while (!heard.at(-1)?.endsWith("still here")) heard.push(await box.next());
        const foreign = heard.filter((line) => line.endsWith("for another"));
        assert.deepEqual(foreign, []);
      });
    }

    scenario("what a client publishes on another's topic reaches nobody", async () => {
      const keys = await connected("keys", { filters: [`${ROOT}/keys/req/#`] });
      const two = await connected("box-2", { filters: [`${ROOT}/keys/res/box-2`] });
      const one = await connected("box-1");
      publish(one, "keys/res/box-2", "forged answer");
      publish(one, "keys/req/0/box-2", "forged request");
      publish(two, "keys/req/0/box-2", "true request");
      publish(keys, "keys/res/box-2", "true answer");
      assert.equal(await keys.next(), "keys/req/0/box-2 true request");
      assert.equal(await two.next(), "keys/res/box-2 true answer");
    });
  }

  function credentialsContract(): void {
    for (const [who, id, password] of [
      ["a wrong password", "box-1", "not-its-password"],
      ["an unknown id", "stranger", passwordOf("stranger")],
    ] as const) {
      scenario(`${who} is told in these words, and tried again`, async () => {
        for (const error of await refusals(id, password)) {
          assert.equal(error.code, "bus.credentials");
          assert.equal(error.message, "refused by the broker: unknown id or password");
        }
      });
    }
  }

  function reconnectionContract(kill: () => Promise<void>, restart: () => Promise<void>): void {
    scenario("a broker that dies and comes back finds its clients again, with all their filters", async () => {
      const keys = await connected("keys", { filters: [`${ROOT}/keys/req/#`] });
      const box = await connected("box-1", { filters: [`${ROOT}/keys/res/box-1`] });
      await harness.settle(box.bus.subscribe(`${ROOT}/notice/four/+`));
      await kill();
      for (const { down, bus } of [keys, box]) {
        assert.match((await down()).code, /^bus\.(lost|unreachable)$/);
        assert.equal(bus.connected, false);
      }
      publish(box, "keys/req/0/box-1", "into the void");
      assert.equal(box.bus.dropped, 1);
      await restart();
      await Promise.all([keys.up(), box.up()]);
      publish(box, "keys/req/0/box-1", "asked again");
      assert.equal(await keys.next(), "keys/req/0/box-1 asked again");
      publish(keys, "notice/four/0", "epoch 9", true);
      assert.equal(await box.next(), "notice/four/0 epoch 9");
    });
  }
}
