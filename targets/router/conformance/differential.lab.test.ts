// The same random reports, by a seed, to the router bundle and to the kernel's bridge, which snoops IGMPv3 and asks: the state of every group
// is the same, or the difference is one that docs/conformance.md explains. Needs root.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Below, seededBelow } from "../../../core/base/chance.testkit.ts";
import { seedOf, withSeed } from "../../../core/base/fuzz.testkit.ts";
import { cable, inside, ip, makeNamespaces, removeNamespaces } from "../namespaces.testkit.ts";
import { LAN, Lab, record, skip } from "./lab.testkit.ts";
import { type Frame, until, Wire, type WireRecord } from "./wire.testkit.ts";

const PREFIX = `cd-${process.pid}-x`;
const BRIDGE = `${PREFIX}-b`;
const TYPES = ["is-in", "is-ex", "to-in", "to-ex", "allow", "block"] as const;
const HOSTS = 3;

/** Nothing that is asked about ends while it is looked at; or it ends soon. */
const [PATIENT, QUICK] = [0, 1];
const LAST_MEMBER = [25, 0.3];

/** Three hosts speak for a house; the bridge limits none of them. */
const ROOM = { maxGroupsPerHost: 4096, joinsPerSecond: 10_000 };

let lab: Lab;
let ports: Wire;
before(async () => {
  if (skip !== false) return;
  lab = await Lab.start(
    "cd",
    LAST_MEMBER.map((lastMemberQueryInterval) => ({ ...ROOM, lastMemberQueryInterval })),
  );
  makeNamespaces([BRIDGE]);
  for (const [n, seconds] of LAST_MEMBER.entries()) {
    cable(BRIDGE, `port${n}`, lab.hosts.namespace, `to${n}`);
    const settings = ["mcast_snooping", "1", "mcast_querier", "1", "mcast_igmp_version", "3"];
    const times = ["mcast_last_member_interval", String(100 * seconds), "mcast_query_interval", "12500"];
    ip("-n", BRIDGE, "link", "add", `br${n}`, "type", "bridge", "forward_delay", "0", ...settings, ...times);
    ip("-n", BRIDGE, "link", "set", `port${n}`, "master", `br${n}`);
    ip("-n", BRIDGE, "link", "set", `br${n}`, "up");
  }
  ports = new Wire(lab.hosts.namespace, ["to0", "to1"]);
  await ports.ready();
});
after(async () => {
  await lab?.close();
  if (skip === false) await removeNamespaces([BRIDGE]);
});

interface Entry {
  readonly grp: string;
  readonly filter_mode?: "include" | "exclude";
  readonly source_list?: readonly { readonly address: string; readonly timer: string }[];
  readonly src?: string;
}

const short = (list: readonly string[]): string =>
  list
    .map((one) => Number(one.split(".")[3]))
    .sort((a, b) => a - b)
    .join(" ");

/** The groups of a bridge, as `Lab.state` tells those of a LAN. */
function bridged(n: number): ReadonlyMap<string, string> {
  const [{ mdb = [] } = {}] = JSON.parse(
    inside(BRIDGE, "bridge", "-d", "-s", "-j", "mdb", "show", "dev", `br${n}`),
  ) as { mdb?: Entry[] }[];
  const groups = mdb.filter(({ src, grp }) => src === undefined && grp.startsWith("239."));
  return new Map(
    groups.map(({ grp, filter_mode, source_list = [] }) => {
      const [x, y] = [
        source_list.filter(({ timer }) => timer !== "0.00"),
        source_list.filter(({ timer }) => timer === "0.00"),
      ];
      const text = (list: typeof x): string => short(list.map(({ address }) => address));
      return [grp, filter_mode === "include" ? `include ${text(x)}` : `exclude ${text(x)} / ${text(y)}`];
    }),
  );
}

async function routed(n: number): Promise<ReadonlyMap<string, string>> {
  const { interfaces } = await lab.status();
  return new Map(
    (interfaces[n]?.groups ?? []).map(({ group, mode, requested, sources }) => [
      group,
      mode === "include" ? `include ${short(requested)}` : `exclude ${short(requested)} / ${short(sources)}`,
    ]),
  );
}

/** The bridge keeps a group of which nobody wants anything; RFC 3376 6.5 has no such state. */
const EMPTY = "include ";
const explained = (state = "nothing"): string => (state === EMPTY ? "nothing" : state);

/** Groups that hosts speak of for a while, and what they said, for a failure's message. */
class Life {
  readonly #n: number;
  readonly #below: Below;
  readonly #groups: readonly string[];
  /** Of these only v2 hosts speak: the bridge has no compatibility modes (RFC 3376 7.3.2), so a mixture would differ. */
  readonly #older: readonly string[];
  readonly #said = new Map<string, string[]>();

  constructor(n: number, life: number, below: Below) {
    this.#n = n;
    this.#below = below;
    const named = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => `239.${40 + n}.${life}.${from + i}`);
    this.#groups = named(1, 24);
    this.#older = named(101, 8);
  }

  /** Reports of one host, and the state that both have of all groups then; with `patience` once nothing is asked any more. */
  async step(patience: boolean): Promise<void> {
    const host = this.#below(HOSTS);
    const who = { src: LAN.at(this.#n, 101 + host), mac: `02:00:00:00:03:0${host}` };
    await both(this.#n, { kind: "report3", ...who, records: this.#groups.map((group) => this.#record(host, group)) });
    const older = this.#older.map(
      (group) => ({ kind: this.#below(3) === 0 ? "leave" : "report2", group, ...who }) as const,
    );
    for (const { kind, group } of older) this.#note(group, `${host} ${kind}`);
    await both(this.#n, ...older);
    if (patience) await this.#lastMemberTime();
    await this.#agree();
  }

  /** What was asked about has ended when a later leave has. */
  async #lastMemberTime(): Promise<void> {
    const group = `239.48.${this.#n}.${this.#below(256)}`;
    const said = (type: string) =>
      ({ kind: "report3", src: LAN.frames(this.#n), records: [record(type, group)] }) as const;
    await both(this.#n, said("to-ex"));
    await until("a group", async () => (await routed(this.#n)).has(group) && bridged(this.#n).has(group));
    await both(this.#n, said("to-in"));
    await until("its end", async () => !(await routed(this.#n)).has(group) && !bridged(this.#n).has(group));
  }

  #record(host: number, group: string): WireRecord {
    const type = TYPES[this.#below(TYPES.length)] ?? "is-in";
    const sources = [...new Set(Array.from({ length: this.#below(4) }, () => 1 + this.#below(6)))];
    this.#note(group, `${host} ${type} {${sources.join(" ")}}`);
    return record(type, group, ...sources);
  }

  #note(group: string, what: string): void {
    this.#said.set(group, [...(this.#said.get(group) ?? []), what]);
  }

  async #agree(): Promise<void> {
    let differences: readonly string[] = [];
    await until(
      "the same state in both",
      async () => {
        differences = await this.#differences();
        return differences.length === 0;
      },
      () => differences.join("\n"),
    );
  }

  async #differences(): Promise<readonly string[]> {
    const [ours, theirs] = [await routed(this.#n), bridged(this.#n)];
    return [...this.#said]
      .filter(([group]) => explained(ours.get(group)) !== explained(theirs.get(group)))
      .map(
        ([group, said]) => `${group}: ours ${ours.get(group)}, bridge ${theirs.get(group)}, after ${said.join(", ")}`,
      );
  }
}

/** The same frames to the router and to the bridge. */
async function both(n: number, ...frames: readonly Frame[]): Promise<void> {
  await lab.hosts.put(`eth${n}`, ...frames);
  await ports.put(`to${n}`, ...frames);
}

/** Lives one after the other, each of so many rounds of reports. */
const live = (n: number, lives: number, rounds: number): Promise<void> =>
  withSeed(seedOf(4541 + n), async () => {
    const below = seededBelow(seedOf(4541 + n));
    for (let i = 0; i < lives; i++) {
      const life = new Life(n, i, below);
      for (let round = 0; round < rounds; round++) await life.step(n === QUICK);
    }
  });

test("random reports, while what is asked about stays: router and bridge agree after each", { skip }, () =>
  live(PATIENT, 6, 6),
);

test("random reports, each waited for until what was asked about has ended: router and bridge agree", { skip }, () =>
  live(QUICK, 2, 5),
);

test("the one difference: the bridge keeps a group of whose sources nobody wants any", { skip }, async () => {
  const group = "239.49.1.1";
  await both(PATIENT, { kind: "report3", src: LAN.frames(PATIENT), records: [record("allow", group)] });
  await lab.hasHeard(PATIENT);
  await until("the bridge's group", () => bridged(PATIENT).has(group));
  assert.deepEqual([await lab.state(PATIENT, group), bridged(PATIENT).get(group)], ["nothing", EMPTY]);
});
