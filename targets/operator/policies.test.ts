// From the operator's command to the router, over a broker, sealed: what is given, to whom, when it arrives, and what the list says of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { milliseconds } from "../../core/base/time.ts";
import type { PolicyState } from "../../core/control/messages.ts";
import type { BusMessage } from "../../core/ports/bus.ts";
import type { KeyPair } from "../../core/ports/primitives.ts";
import { RECEPTION_OPTIONS } from "../../core/reception/server.ts";
import { SimulatedBroker } from "../../hal/bus/simulated.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { writing } from "../../hal/store/contract.testkit.ts";
import { GroupCommit } from "../../hal/store/group-commit.ts";
import { MemoryStore } from "../../hal/store/memory.ts";
import { ReceptionService } from "../reception/service.ts";
import { MembershipReports } from "../router/membership-reports.ts";
import { createLogger } from "../shared/log.ts";
import { operatorCommands } from "./commands.ts";
import type { Listed } from "./listing.ts";

const primitives = new NodePrimitives();
const log = createLogger({ level: "silent", format: "json", toStderr: true }, "reception", "rs");
const serverKeys = primitives.x25519Generate();
const SERVER = { role: "reception", id: "rs", publicKey: serverKeys.publicKey } as const;

/** A reception server with its operator, and the routers r1 and r2, which are registered and away. */
async function bench() {
  const [clock, entropy] = [new SimulatedClock(), new SeededEntropy(1)];
  const broker = new SimulatedBroker(clock, entropy);
  const store = new MemoryStore();
  const keys = new Map(["r1", "r2"].map((id) => [id, primitives.x25519Generate()]));
  for (const [id, { publicKey }] of keys)
    await store.transact([
      writing({
        put: "service",
        row: { id, role: "router", publicKey, passwordHash: new Uint8Array(32), status: "active" },
      }),
    ]);
  const commits = new GroupCommit(store);
  const peers = { keyServer: () => undefined, router: (id: string) => keys.get(id)?.publicKey };
  const identity = { role: "reception", id: "rs", password: "", x25519: serverKeys } as const;
  const platform = { clock, entropy, primitives, log, store, commits, shards: 1 };
  const start = () =>
    new ReceptionService(identity, [], peers, RECEPTION_OPTIONS, { ...platform, buses: broker.connector("reception") });
  let service = start();
  const commands = operatorCommands({
    ...{ store, commits, clock, entropy, keyServers: [], reserved: [] },
    servicesChanged: async () => {},
    demandsChanged: async () => {},
    policiesChanged: () => service.tellPolicies(),
    refusals: () => undefined,
  });
  const spied: BusMessage[] = [];
  const spy = broker
    .connector()
    .connect(
      { clientId: "spy", filters: ["sealcast/1/router/#"], will: { topic: "x", payload: new Uint8Array() } },
      { message: (message) => void spied.push(message), up() {}, down() {} },
    );
  /** `span` seconds, in which the store does what it is asked. */
  const pass = async (span: number): Promise<void> => {
    for (let i = 0; i < span * 10; i++) {
      clock.run(milliseconds(100));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return {
    broker,
    store,
    spied,
    pass,
    replay: (messages: readonly BusMessage[]) => {
      for (const { topic, payload } of messages) spy.publish(topic, payload);
    },
    command: async (name: "set" | "show" | "clear", input: object) =>
      (await commands[`router.policy.${name}`](input)) as { readonly revision: number },
    list: async () => {
      const rows: Listed[] = [];
      for await (const row of commands["router.policy.list"]({})) rows.push(row);
      return rows;
    },
    stopServer: () => service.stop(),
    /** The next process of the server, on the same store. */
    async startServer(): Promise<void> {
      service = start();
      await service.tellPolicies();
    },
    router: (id: string, own = keys.get(id) ?? assert.fail(id)) =>
      new RouterUnderTest(id, own, { clock, entropy, broker }),
  };
}

/** Takes what it is given, unless it is told to refuse. */
class RouterUnderTest {
  readonly heard: (readonly [revision: number, text: string])[] = [];
  readonly reports: MembershipReports;
  faults: readonly string[] = [];
  #state: PolicyState = { revision: 0 };

  constructor(
    id: string,
    keys: KeyPair,
    { clock, entropy, broker }: { clock: SimulatedClock; entropy: SeededEntropy; broker: SimulatedBroker },
  ) {
    const platform = { clock, entropy, primitives, buses: broker.connector("router"), keys, log };
    this.reports = new MembershipReports(id, SERVER, platform, { limit: 256, evidenceLog: undefined });
    this.#tell();
  }

  #tell(): void {
    this.reports.policy(this.#state, (revision, text) => {
      this.heard.push([revision, text]);
      this.#state =
        this.faults.length > 0
          ? { ...this.#state, refused: { revision, faults: [...this.faults] } }
          : { revision, since: 1_767_225_600_000 };
      this.#tell();
    });
  }
}

const DENY = '{"rules":[{"action":"deny"}]}';
const set = (router: string, policy = DENY) => ({ router, policy });

test("a router that is connected has it within a second, and the list says so", async () => {
  const { router, command, pass, list } = await bench();
  const r1 = router("r1");
  await pass(2);
  const { revision } = await command("set", set("r1", ` ${DENY} `));
  assert.equal((await list())[0]?.state, "not yet");
  await pass(1);
  assert.deepEqual(r1.heard, [[revision, DENY]]);
  const [row] = await list();
  assert.deepEqual(
    [row?.router, row?.policy, row?.revision, row?.state, row?.inForce, row?.since],
    ["r1", "own", revision, "in force", revision, "2026-01-01T00:00:00.000Z"],
  );
  await pass(60);
  assert.equal(r1.heard.length, 1);
});

test("a router that is away has it when it comes, and when it comes back", async () => {
  const { router, command, pass, broker, list } = await bench();
  const first = await command("set", set("r1"));
  await pass(60);
  assert.equal((await list())[0]?.state, "not heard of");
  const r1 = router("r1");
  await pass(3);
  assert.deepEqual(r1.heard, [[first.revision, DENY]]);
  broker.stop();
  const second = await command("set", set("r1", "{}"));
  await pass(60);
  broker.start();
  await pass(60);
  assert.deepEqual(r1.heard.at(-1), [second.revision, "{}"]);
});

test("what was given while no server ran is told when one starts, without a new connection of the router", async () => {
  const { router, command, pass, stopServer, startServer } = await bench();
  const r1 = router("r1");
  await pass(3);
  await stopServer();
  const { revision } = await command("set", set("r1"));
  await pass(30);
  assert.deepEqual(r1.heard, []);
  await startServer();
  await pass(5);
  assert.deepEqual(r1.heard, [[revision, DENY]]);
});

test("under loss and repetition it arrives once, whole, in as many parts as it takes", async () => {
  const { router, command, pass, broker } = await bench();
  const r1 = router("r1");
  await pass(2);
  broker.faults = { ...broker.faults, loss: 0.3, duplication: 0.3 };
  const rules = Array.from({ length: 1000 }, (_, n) => ({ action: "deny", host: `10.${n >> 8}.${n & 255}.1` }));
  const text = JSON.stringify({ rules });
  assert.ok(text.length > 3 * 12_288);
  const { revision } = await command("set", set("r1", text));
  await pass(600);
  assert.deepEqual(r1.heard, [[revision, text]]);
});

test("one for all reaches routers that come later, and not those with one of their own until that is taken back", async () => {
  const { router, command, pass, list } = await bench();
  const r1 = router("r1");
  await pass(2);
  const own = await command("set", set("r1"));
  const all = await command("set", set("*", '{"bandwidth":{}}'));
  assert.deepEqual(all, { revision: all.revision, keepTheirOwn: ["r1"] });
  const r2 = router("r2");
  await pass(3);
  assert.deepEqual([r1.heard, r2.heard], [[[own.revision, DENY]], [[all.revision, '{"bandwidth":{}}']]]);
  const cleared = await command("clear", { router: "r1" });
  await pass(3);
  assert.deepEqual(r1.heard.at(-1), [cleared.revision, '{"bandwidth":{}}']);
  assert.deepEqual(
    (await list()).map(({ router: id, policy, state }) => [id, policy, state]),
    [
      ["r1", "all", "in force"],
      ["r2", "all", "in force"],
    ],
  );
});

test("what a router refuses is listed with its reasons, and it is not asked again until there is another", async () => {
  const { router, command, pass, list } = await bench();
  const r1 = router("r1");
  r1.faults = ["rules.0.interface: this router has no downstream eth9; it has lan0"];
  await pass(2);
  const { revision } = await command("set", set("r1"));
  await pass(30);
  assert.equal(r1.heard.length, 1);
  const [row] = await list();
  assert.deepEqual([row?.state, row?.revision, row?.inForce, row?.faults], ["refused", revision, undefined, r1.faults]);
  r1.faults = [];
  const next = await command("set", set("r1", "{}"));
  await pass(2);
  assert.deepEqual([r1.heard.at(-1), (await list())[0]?.state], [[next.revision, "{}"], "in force"]);
});

test("a message that somebody recorded brings back no older policy, to the same router or to its next process", async () => {
  const { router, command, pass, spied, replay } = await bench();
  const r1 = router("r1");
  await pass(2);
  await command("set", set("r1"));
  await pass(2);
  const recorded = [...spied];
  assert.ok(recorded.length > 4);
  const newer = await command("set", set("r1", "{}"));
  await pass(2);
  replay(recorded);
  await pass(2);
  assert.deepEqual(r1.heard.at(-1), [newer.revision, "{}"]);
  await r1.reports.close();
  const next = router("r1");
  replay(recorded);
  await pass(5);
  assert.deepEqual(next.heard, [[newer.revision, "{}"]], "what the server says now, and nothing else");
});

test("what is sealed for one router another cannot open, under its name neither", async () => {
  const { router, command, pass, spied, replay } = await bench();
  const [r1, r2] = [router("r1"), router("r2")];
  await pass(2);
  const from = spied.length;
  await command("set", set("r1"));
  await pass(2);
  replay(spied.slice(from).map((one) => ({ ...one, topic: one.topic.replace("/r1/", "/r2/") })));
  await pass(2);
  assert.deepEqual([r1.heard.length, r2.heard.length], [1, 0]);
  const { drops } = r2.reports.status() as { readonly drops: Readonly<Record<string, number>> };
  assert.ok((drops["envelope.recipient"] ?? 0) >= 1 && (drops["envelope.session"] ?? 0) >= 1, JSON.stringify(drops));
});

test("a stranger with a router's name has none, and says nothing that is believed", async () => {
  const { router, command, pass, list } = await bench();
  await command("set", set("r1"));
  const impostor = router("r1", primitives.x25519Generate());
  await pass(10);
  assert.deepEqual([impostor.heard, (await list())[0]?.state], [[], "not heard of"]);
});

test("show gives back what was given; of nothing it says that there is nothing", async () => {
  const { command } = await bench();
  await assert.rejects(command("show", { router: "r1" }), /r1 has no policy, and there is none for all/);
  await assert.rejects(command("show", { router: "*" }), /there is no policy for all routers/);
  const { revision } = await command("set", set("*"));
  const policy = JSON.parse(DENY);
  assert.deepEqual(await command("show", { router: "r1" }), { revision, from: "all", policy });
  assert.deepEqual(await command("show", { router: "*" }), { revision, from: "all", policy });
});

test("what cannot be is refused with every path, and nothing is stored", async () => {
  const { command, store } = await bench();
  const wrong = '{"rules":[{"action":"forbid"}],"downstreams":[{"interface":"lan","maxGroups":0}],"colour":1}';
  await assert.rejects(command("set", set("r1", wrong)), (error: Error) => {
    assert.match(
      error.message,
      /^the policy has 3 faults:\n {2}rules\.0\.action: .*\n {2}downstreams\.0\.maxGroups: .*\n/,
    );
    assert.match(error.message, /\n {2}colour: is not an entry of this configuration$/);
    return true;
  });
  await assert.rejects(command("set", set("r9")), /r9 is not a registered router/);
  await assert.rejects(command("clear", { router: "r9" }), /r9 is not a registered router/);
  await assert.rejects(command("set", set("r1", "{")), /the policy has 1 fault:\n {2}\(root\): /);
  await assert.rejects(command("set", { router: "a b", policy: "{}" }), /router: /);
  assert.deepEqual(await store.read({ table: "router_policy", limit: 9 }), []);
});

test("a store that is older than what a router has says so, and the next edit goes beyond it", async () => {
  const { router, command, pass, store, list } = await bench();
  const r1 = router("r1");
  await pass(2);
  const lost = await command("set", set("r1"));
  await pass(2);
  await store.transact([writing({ delete: "router_policy", key: { router: "r1" } })]);
  assert.equal((await list())[0]?.state, "newer");
  const { revision } = await command("clear", { router: "r1" });
  assert.ok(revision > lost.revision);
  await pass(2);
  assert.deepEqual(r1.heard.at(-1), [revision, "{}"]);
});
