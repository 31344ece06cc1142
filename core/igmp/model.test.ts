// The product against the model of RFC 3376 6.4, 6.5, 6.6 and 7.3: the same random reports, queries and times, seeded.

import assert from "node:assert/strict";
import { toHex } from "../base/bytes.ts";
import type { Below } from "../base/chance.testkit.ts";
import { fuzz } from "../base/fuzz.testkit.ts";
import { address, formatIpv4, type Ipv4 } from "../base/ipv4.ts";
import { instant, milliseconds } from "../base/time.ts";
import { query, report, sources, v1v2Message } from "./igmp.testkit.ts";
import type { RouterInterfaceEffect } from "./interface-events.ts";
import { checkPacket } from "./messages/packet.ts";
import { type Query, readQuery } from "./messages/query.ts";
import type { RecordType } from "./messages/report.ts";
import { type ModelQuery, type ModelSettings, RouterModel } from "./model.testkit.ts";
import { hear } from "./model-wire.testkit.ts";
import { GOOD_PACKETS, mutate, pick, repair } from "./mutation.testkit.ts";
import { RouterInterface } from "./router-interface.ts";
import type { TimesConfig } from "./times.ts";
import { IGMP } from "./wire.ts";

/** Steps of one pass. */
const ROUNDS = 4000;

const GROUPS = ["239.1.1.1", "239.1.1.2", "232.1.1.1", "224.0.1.9"] as const;
const TYPES: readonly RecordType[] = ["is-in", "is-ex", "to-in", "to-ex", "allow", "block"];
const OURS = address("10.0.0.5");
/** Two above us, two below, and a switch without an address. */
const ROUTERS = ["10.0.0.9", "10.0.0.8", "10.0.0.2", "10.0.0.1", "0.0.0.0"] as const;

/** One pass: both routers on one clock. */
class Pair {
  readonly model: RouterModel;
  readonly machine: RouterInterface;
  readonly log: string[] = [];
  readonly #sent: ModelQuery[] = [];
  readonly #below: Below;
  readonly #settings: ModelSettings;
  #now = 0;

  constructor(below: Below) {
    this.#below = below;
    this.#settings = {
      address: OURS,
      version: below(4) === 0 ? 2 : 3,
      robustness: 1 + below(4),
      queryInterval: 1000 * (20 + below(120)),
      queryResponseInterval: 100 * (1 + below(150)),
      lastMemberQueryInterval: 100 * (1 + below(20)),
    };
    this.model = new RouterModel(this.#settings);
    this.machine = new RouterInterface(IGMP, {
      version: this.#settings.version,
      times: durations(this.#settings),
      leave: "standard",
    });
    this.#take(this.machine.receive(instant(0), { kind: "up", address: OURS }));
  }

  step(): void {
    this.#pass();
    const what = this.#below(20);
    if (what < 14) this.#records();
    else if (what < 17) this.#older();
    else if (what < 19) this.#otherQuery(3);
    else this.#otherQuery(this.#below(2) === 0 ? 2 : 1);
    this.#compare();
  }

  /** To the millisecond of a deadline, just before it, or anywhere. */
  #pass(): void {
    const { lastMemberQueryInterval: short, queryInterval: long } = this.#settings;
    const due = (this.machine.nextDeadline() ?? this.#now) - this.#now;
    const spans = [0, 0, 1, due, due - 1, this.#below(short), this.#below(3 * short), this.#below(long / 10)];
    const span = Math.max(
      0,
      Math.floor(spans[this.#below(spans.length + (this.#below(8) === 0 ? 1 : 0))] ?? this.#below(2 * long)),
    );
    const end = this.#now + span;
    this.model.advance(end);
    for (let at = this.machine.nextDeadline(); at !== undefined && at <= end; at = this.machine.nextDeadline()) {
      this.#now = at;
      this.#take(this.machine.poll(at));
    }
    this.#now = end;
    this.log.push(`${end / 1000}`);
    this.#compare();
  }

  #hear(text: string, bytes: Uint8Array): void {
    this.log.push(`${this.#now / 1000} ${text}`);
    this.#take(this.machine.receive(instant(this.#now), { kind: "packet", bytes }));
  }

  #records(): void {
    const records = Array.from({ length: 1 + this.#below(3) }, (): [RecordType, string, ...Ipv4[]] => [
      TYPES[this.#below(TYPES.length)] ?? "is-in",
      this.#group(),
      ...this.#sources(),
    ]);
    for (const [type, group, ...named] of records) this.model.record(type, address(group), named);
    this.#hear(
      records.map(([type, group, ...named]) => `${type} ${group} ${octets(named)}`).join(", "),
      report("10.0.0.77", ...records),
    );
  }

  #older(): void {
    const group = this.#group();
    const kind = this.#below(3) === 0 ? "leave" : this.#below(40) === 0 ? "v1Report" : "v2Report";
    if (kind === "leave") this.model.leave(address(group));
    else this.model.olderReport(kind === "v1Report" ? 1 : 2, address(group));
    this.#hear(`${kind} ${group}`, v1v2Message(kind, "10.0.0.77", group));
  }

  #otherQuery(version: 1 | 2 | 3): void {
    const from = ROUTERS[this.#below(this.#below(6) === 0 ? ROUTERS.length : 2)] ?? "0.0.0.0";
    const isGeneral = version === 1 || this.#below(3) === 0;
    const whole: Partial<Query> = {
      version,
      ...(isGeneral ? {} : { group: address(this.#group()) }),
      ...(isGeneral || version < 3 ? {} : { sources: this.#sources(), suppress: this.#below(3) === 0 }),
      maxResponse: milliseconds(100 * (1 + this.#below(60))),
      robustness: this.#below(8),
      queryInterval: milliseconds(1000 * this.#below(120)),
    };
    const bytes = query(from, whole);
    const packet = checkPacket(bytes);
    if (typeof packet === "string") assert.fail(packet);
    const read = readQuery(packet);
    this.model.query(address(from), read);
    this.#hear(
      `v${version} query of ${from} ${formatIpv4(read.group)} ${octets(read.sources)} ${read.suppress}`,
      bytes,
    );
  }

  #group = (): string => GROUPS[this.#below(GROUPS.length)] ?? GROUPS[0];
  #sources = (): Ipv4[] => sources(...Array.from({ length: this.#below(5) }, () => 1 + this.#below(6)));

  #take(effects: readonly RouterInterfaceEffect[]): void {
    this.#sent.push(...sentIn(this.#now, effects));
  }

  #compare(): void {
    const { machine, model } = this;
    this.#same(viewText(machine, this.#now), modelText(model));
    this.#same(this.#sent.splice(0).map(queryText).sort(), model.sent.splice(0).map(queryText).sort());
    this.#same([machine.querier.kind], [model.isQuerier ? "querier" : "non-querier"]);
  }

  #same(product: readonly string[], model: readonly string[]): void {
    assert.deepEqual(product, model, `${JSON.stringify(this.#settings)}\n${this.log.slice(-25).join("\n")}`);
  }
}

function sentIn(at: number, effects: readonly RouterInterfaceEffect[]): ModelQuery[] {
  return effects.flatMap((effect) => {
    if (effect.kind !== "send") return [];
    const packet = checkPacket(effect.packet);
    if (typeof packet === "string") assert.fail(packet);
    const { group, sources: named, suppress } = readQuery(packet);
    return [{ at, group, sources: named, suppress }];
  });
}

/** The groups of the product, one line each: mode, group timer, X and Y of the table in 6.4. */
const viewText = (machine: RouterInterface, now: number): string[] =>
  machine
    .groups(instant(now))
    .map(({ group, filter, requested, mode, groupTimer }) => {
      const blocked = filter.mode === "exclude" ? octets(filter.sources) : "";
      return `${formatIpv4(group)} v${mode} ${groupTimer ?? "include"} X={${octets(requested)}} Y={${blocked}}`;
    })
    .sort();

/** The same of the model. */
const modelText = (model: RouterModel): string[] =>
  model.groups
    .map((group) => {
      const [x, y] = [group.sources.filter(({ timer }) => timer > 0), group.sources.filter(({ timer }) => timer === 0)];
      const timer = group.mode === "EXCLUDE" ? group.groupTimer : "include";
      const text = (list: typeof x): string => octets(list.map((one) => one.address));
      return `${formatIpv4(group.address as Ipv4)} v${model.mode(group)} ${timer} X={${text(x)}} Y={${text(y)}}`;
    })
    .sort();

type Times = Pick<ModelSettings, "robustness" | "queryInterval" | "queryResponseInterval" | "lastMemberQueryInterval">;
const durations = (times: Times): TimesConfig => ({
  robustness: times.robustness,
  queryInterval: milliseconds(times.queryInterval),
  queryResponseInterval: milliseconds(times.queryResponseInterval),
  lastMemberQueryInterval: milliseconds(times.lastMemberQueryInterval),
});

/** More than a pass of mutations fills. */
const ROOM = { maxGroups: 65_536, maxSourcesPerGroup: 65_536, maxHostMemberships: 65_536 };

const octets = (list: readonly number[]): string =>
  [...list]
    .sort((a, b) => a - b)
    .map((one) => formatIpv4(one as Ipv4).replace("192.0.2.", ""))
    .join(" ");

const queryText = ({ at, group, sources: named, suppress }: ModelQuery): string =>
  `${at} ${formatIpv4(group as Ipv4)} {${octets(named)}}${suppress ? " S" : ""}`;

fuzz(
  "a router interface is what RFC 3376 6.4, 6.5, 6.6 and 7.3 say",
  { seed: 9776, rounds: ROUNDS, passes: 4 },
  ({ below, rounds }) => {
    const pair = new Pair(below);
    for (let round = 0; round < rounds; round++) pair.step();
  },
);

/** Nobody is below us, so that what a mutated query tells of its sender's times changes none of ours. */
const LOWEST = address("0.0.0.1");

fuzz(
  "mutated packets, three of four with right checksums, do what an independent reader makes of them",
  { seed: 791, rounds: 5000 },
  ({ below, rounds }) => {
    const times = { robustness: 2, queryInterval: 20_000, queryResponseInterval: 5000, lastMemberQueryInterval: 1000 };
    const model = new RouterModel({ address: LOWEST, version: 3, ...times });
    const machine = new RouterInterface(IGMP, { ...ROOM, times: durations(times), leave: "standard" });
    const sent: ModelQuery[] = [];
    const take = (at: number, effects: readonly RouterInterfaceEffect[]): void =>
      void sent.push(...sentIn(at, effects));
    take(0, machine.receive(instant(0), { kind: "up", address: LOWEST }));
    let [now, heard] = [0, 0];
    for (let round = 0; round < rounds; round++) {
      const end = now + below(2000);
      for (let at = machine.nextDeadline(); at !== undefined && at <= end; at = machine.nextDeadline())
        take(at, machine.poll(at));
      now = end;
      const bytes = mutate(pick(GOOD_PACKETS, below), below);
      if (below(4) > 0) repair(bytes);
      model.advance(now);
      hear(model, LOWEST, bytes);
      const effects = machine.receive(instant(now), { kind: "packet", bytes });
      heard += effects.filter(({ kind }) => kind === "heard").length;
      take(now, effects);
      const where = `round ${round}: ${toHex(bytes)}`;
      assert.deepEqual(sent.splice(0).map(queryText).sort(), model.sent.splice(0).map(queryText).sort(), where);
      if (round % 20 === 0) assert.deepEqual(viewText(machine, now), modelText(model), where);
    }
    assert.ok(heard > rounds / 4, `${heard} passed the gate`);
  },
);
