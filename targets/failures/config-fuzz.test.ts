// Every target's configuration under seeded mutation: what comes back is a configuration or faults, never an exception.
import assert from "node:assert/strict";
import type * as v from "valibot";
import { fuzz } from "../../core/base/fuzz.testkit.ts";
import type { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { controlConfig } from "../control/config.ts";
import { headendConfig } from "../headend/config.ts";
import { keyServerConfig } from "../keyserver/config.ts";
import { receptionConfig } from "../reception/config.ts";
import { replayConfig } from "../replay/config.ts";
import { routerConfig } from "../router/config.ts";
import { settopConfig } from "../settop/config.ts";
import { checkConfig } from "../shared/config.ts";

/** Of one pass. */
const ROUNDS = 10_000;
const KEY = "ab".repeat(32);
const broker = { url: "mqtt://127.0.0.1:1883", protocolVersion: 5 };
const common = { id: "x", identity: "/x.json", broker, log: { level: "warn" } };
const group = { id: "one", group: "239.1.1.1", port: 5004 };
const outputs = [{ form: "rtp", port: 5006 }, { form: "file", path: "/out" }, { form: "stdout" }];
const inputs = [
  { kind: "udp", address: "239.2.2.2", port: 1234, source: "10.0.0.1" },
  { kind: "rtp", port: 1235 },
  { kind: "file", path: "/in.ts", bitrate: 3_000_000 },
];

/** A right configuration of each target, with as many entries as it can have at once. */
const CONFIGURATIONS: Readonly<Record<string, readonly [v.GenericSchema<unknown, unknown>, object]>> = {
  headend: [
    headendConfig,
    {
      ...common,
      keyServer: { id: "keys", publicKey: KEY },
      channels: inputs.map((input, i) => ({
        ...group,
        id: `c${i}`,
        port: 5004 + i,
        input,
        interval: 60,
        lead: 5,
        overlap: 3,
      })),
    },
  ],
  settop: [
    settopConfig,
    {
      ...common,
      keyServer: { id: "keys", publicKey: KEY, noticeKey: KEY },
      channels: outputs.map((output, i) => ({ ...group, id: `c${i}`, output })),
      tune: ["c0"],
      reorder: { depth: 4, patience: 20 },
    },
  ],
  router: [
    routerConfig,
    {
      ...common,
      upstream: { interface: "wan" },
      downstreams: [
        { interface: "lan", robustness: 2, queryInterval: 20, allow: ["239.0.0.0/8"], deny: ["239.1.1.1"] },
      ],
      reception: { id: "reception", publicKey: KEY },
    },
  ],
  control: [
    controlConfig,
    { broker: { listeners: [{ port: 1884, tls: { cert: "/c", key: "/k" } }] }, keyServer: { id: "k" }, grace: 30 },
  ],
  keyserver: [
    keyServerConfig,
    {
      ...common,
      store: { path: "/x.db" },
      reception: { id: "reception", publicKey: KEY },
      headends: [{ id: "h", publicKey: KEY, channels: ["one"] }],
    },
  ],
  reception: [receptionConfig, { ...common, store: { path: "/x.db" }, keyServers: [{ id: "k", publicKey: KEY }] }],
  replay: [replayConfig, { igmp: { address: "10.0.0.1", version: 2, times: { queryInterval: 20 } } }],
};

/** What people and broken tools write where something else belongs. */
const VALUES: readonly string[] = [
  ...[
    "null",
    "true",
    "0",
    "-1",
    "1e309",
    "-0",
    "0.5",
    "4294967296",
    "9007199254740993",
    '""',
    '" "',
    '"x"',
    "[]",
    "{}",
  ],
  ...[
    "[[]]",
    '{"kind":"udp"}',
    '{"form":"file"}',
    '"__proto__"',
    '"239.1.1.1"',
    '"999.1.1.1"',
    '"\\u0000"',
    '"\\ud800"',
  ],
  ...[`"${"a".repeat(5000)}"`, `${"[".repeat(200)}${"]".repeat(200)}`, '{"__proto__":{"x":1}}', '{"constructor":1}'],
  ...['"mqtt://["', '"mqtts://h:1"', '"/dev/null"', `"${KEY}"`, `"${"0".repeat(64)}"`, "not json", "[1,2", "NaN"],
];

const STEPS = [
  "id",
  "0",
  "1",
  "-1",
  "99999999",
  "4294967295",
  "1e3",
  "",
  "length",
  "__proto__",
  "constructor",
  "toString",
];

class Mutator {
  readonly #entropy: SeededEntropy;

  constructor(entropy: SeededEntropy) {
    this.#entropy = entropy;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#entropy.below(from.length))] as T;
  }

  chance(percent: number): boolean {
    return this.#entropy.below(100) < percent;
  }

  /** Puts, takes out or doubles something at a place of the tree that is drawn on the way down. */
  disturb(tree: Record<string, unknown>): void {
    let at = tree;
    for (;;) {
      const key = this.pick([...Object.keys(at), "new"]);
      const below = at[key];
      if (typeof below === "object" && below !== null && this.chance(70)) {
        at = below as Record<string, unknown>;
        continue;
      }
      if (this.chance(25)) delete at[key];
      else at[key] = this.chance(20) ? structuredClone(tree) : this.value();
      return;
    }
  }

  value(): unknown {
    const text = this.pick(VALUES);
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }

  /** A `--set` argument: mostly a path of the tree, sometimes beside it, sometimes no setting at all. */
  setting(tree: object): string {
    const steps: string[] = [];
    let at: unknown = tree;
    while (typeof at === "object" && at !== null && this.chance(85)) {
      const key = this.pick([...Object.keys(at), this.pick(STEPS)]);
      steps.push(key);
      at = (at as Record<string, unknown>)[key];
    }
    while (this.chance(10)) steps.push(this.pick(STEPS));
    return this.chance(3) ? this.pick(VALUES) : `${steps.join(".")}=${this.pick(VALUES)}`;
  }
}

for (const [target, [schema, right]] of Object.entries(CONFIGURATIONS)) {
  const text = JSON.stringify(right);

  const plan = { seed: target.length, rounds: ROUNDS };

  fuzz(
    `${target}: mutations of a right configuration are taken, or refused with faults`,
    plan,
    ({ entropy, rounds }) => {
      const checked = checkConfig(schema, JSON.parse(text), []);
      assert.ok(checked.ok, JSON.stringify(checked));
      const mutator = new Mutator(entropy);
      let refused = 0;
      for (let round = 0; round < rounds; round++) {
        const tree = JSON.parse(text) as Record<string, unknown>;
        if (mutator.chance(60)) mutator.disturb(tree);
        const settings = mutator.chance(60) ? [mutator.setting(tree)] : [];
        const before = JSON.stringify([tree, settings]);
        try {
          const result = checkConfig(schema, tree, settings);
          if (result.ok) continue;
          refused++;
          assert.ok(result.faults.length > 0);
          for (const { path, message } of result.faults) assert.ok(path !== "" && message !== "");
        } catch (error) {
          assert.fail(`round ${round}: ${before}: ${error instanceof Error ? error.stack : error}`);
        }
      }
      assert.ok(refused > rounds / 4 && refused < rounds, `${refused} refused`);
      assert.equal(Object.keys(Object.prototype).length, 0);
    },
  );
}
