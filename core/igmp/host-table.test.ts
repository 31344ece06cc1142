// Host tracking: what each statement makes of a host, who is told, when silence counts as leaving.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AddressSample, overBothFamilies } from "../base/address.testkit.ts";
import type { Address } from "../base/address.ts";
import { fuzz } from "../base/fuzz.testkit.ts";
import { after, earliest, type Instant, seconds } from "../base/time.ts";
import type { TrackedHost } from "./host-shares.ts";
import { type HostChange, type HostLimits, HostTable } from "./host-table.ts";
import { at, lastOctets } from "./igmp.testkit.ts";
import type { RecordType } from "./messages/report.ts";

const GMI = seconds(260);
const LIMITS: HostLimits<never> = {
  memberships: 10,
  sources: 64,
  groupsPerHost: 10,
  groupsPerPort: Number.POSITIVE_INFINITY,
  sourcesPerHost: Number.POSITIVE_INFINITY,
  sourcesPerPort: Number.POSITIVE_INFINITY,
  joinsPerSecond: 10,
  joinsAtOnce: 10,
  newHostsPerMinute: Number.POSITIVE_INFINITY,
  newHostsPerMinutePerPort: Number.POSITIVE_INFINITY,
  proxies: [],
};
const text = (change: HostChange<Address>): string =>
  change.kind === "drop" ? change.reason : `${change.kind}${change.kind === "host-left" ? ` ${change.cause}` : ""}`;

const ROWS: readonly [RecordType, number[], fromInclude: string, fromExclude: string][] = [
  ["is-in", [2, 3], "include 1 2 3", "exclude 1"],
  ["is-ex", [2, 3], "exclude 2 3", "exclude 2 3"],
  ["to-in", [2, 3], "include 2 3", "include 2 3"],
  ["to-ex", [2, 3], "exclude 2 3", "exclude 2 3"],
  ["allow", [2, 3], "include 1 2 3", "exclude 1"],
  ["block", [2, 3], "include 1", "exclude 1 2 3"],
];

/** The slow obvious model: a list of memberships, walked for everything. */
class Model<A extends Address> {
  members: { who: TrackedHost<A>; group: A; expires: Instant }[] = [];

  #without(isGone: (one: { who: TrackedHost<A>; group: A; expires: Instant }) => boolean): number {
    const before = this.members.length;
    this.members = this.members.filter((one) => !isGone(one));
    return before - this.members.length;
  }

  join(now: Instant, who: TrackedHost<A>, group: A): string {
    const expires = after(now, GMI);
    const known = this.members.find((one) => one.group === group && sameHost(one.who, who));
    if (known !== undefined) {
      known.expires = expires;
      return "";
    }
    const moved = this.#without(
      (one) => who.mac !== "" && one.group === group && sameHost({ ...one.who, port: who.port }, who),
    );
    this.members.push({ who, group, expires });
    return moved > 0 ? "host-left moved host-joined" : "host-joined";
  }

  leave(who: TrackedHost<A>, group: A): string {
    return this.#without((one) => one.group === group && sameHost(one.who, who)) > 0 ? "host-left left" : "";
  }

  poll(now: Instant): number {
    return this.#without(({ expires }) => expires <= now);
  }

  endGroup(group: A): number {
    return this.#without((one) => one.group === group);
  }
}

const sameHost = (a: TrackedHost<Address>, b: TrackedHost<Address>): boolean =>
  a.port === b.port && a.mac === b.mac && a.address === b.address;

overBothFamilies(hostTable);

function hostTable<A extends Address>(sample: AddressSample<A>): void {
  const { suffix } = sample;
  const GROUP = sample.group(1);
  const sources = (...numbers: number[]): A[] => numbers.map(sample.source);
  const host = (n: number, mac = "02:00:00:00:00:01", port = "lan1"): TrackedHost<A> => ({
    port,
    address: sample.host(n),
    mac,
  });

  function say(table: HostTable<A>, s: number, who: TrackedHost<A>, type: RecordType, ...numbers: number[]): string[] {
    const statement = { type, group: GROUP, sources: sources(...numbers), message: "v3Report" } as const;
    return table.hear(at(s), who, statement, GMI).map(text);
  }

  const wants = (table: HostTable<A>): string =>
    table
      .memberships()
      .map(({ filter }) => `${filter.mode} ${lastOctets(filter.sources)}`.trim())
      .join("; ");

  for (const [type, named, fromInclude, fromExclude] of ROWS) {
    test(`${type} of {2,3} on a host that wants {1,2}: ${fromInclude}; on one that wants all but {1,2}: ${fromExclude}${suffix}`, () => {
      for (const [start, end] of [
        ["to-in", fromInclude],
        ["to-ex", fromExclude],
      ] as const) {
        const table = new HostTable<A>(LIMITS);
        assert.deepEqual(say(table, 0, host(9), start, 1, 2), ["host-joined"]);
        assert.deepEqual(say(table, 1, host(9), type, ...named), []);
        assert.equal(wants(table), end);
      }
    });
  }

  test(`a host is its address and its MAC: the same address behind two MACs is two hosts${suffix}`, () => {
    const table = new HostTable<A>(LIMITS);
    assert.deepEqual(say(table, 0, host(9), "to-ex"), ["host-joined"]);
    assert.deepEqual(say(table, 0, host(9, "02:00:00:00:00:02"), "to-ex"), ["host-joined"]);
    assert.deepEqual(say(table, 1, host(9), "to-in"), ["host-left left"]);
    assert.equal(table.memberships().length, 1);
  });

  test(`a host that moves to another port ends on the old one and begins on the new one${suffix}`, () => {
    const table = new HostTable<A>(LIMITS);
    say(table, 0, host(9), "to-ex");
    assert.deepEqual(say(table, 5, host(9, "02:00:00:00:00:01", "lan2"), "is-ex"), ["host-left moved", "host-joined"]);
    assert.deepEqual(
      table.memberships().map(({ host: { port }, since }) => [port, since]),
      [["lan2", at(5)]],
    );
  });

  test(`tracking.too-many-sources: one host's list of sources is bounded, however often it adds some${suffix}`, () => {
    const table = new HostTable<A>({ ...LIMITS, sources: 3 });
    assert.deepEqual(say(table, 0, host(9), "allow", 1, 2), ["host-joined"]);
    assert.deepEqual(say(table, 0, host(9), "allow", 3, 4), ["tracking.too-many-sources"]);
    assert.deepEqual(say(table, 0, host(9), "allow", 5), ["tracking.too-many-sources"]);
    assert.equal(wants(table), "include 1 2 3");
    assert.deepEqual(say(table, 0, host(8), "to-ex", 1, 2, 3, 4), ["tracking.too-many-sources", "host-joined"]);
  });

  test(`a membership: since when, last seen, by which message; a repeat moves only the last${suffix}`, () => {
    const table = new HostTable<A>(LIMITS);
    say(table, 1, host(9), "to-ex");
    table.hear(at(5), host(9), { type: "is-ex", group: GROUP, sources: [], message: "v2Report" }, GMI);
    const [membership] = table.memberships();
    assert.deepEqual([membership?.since, membership?.lastSeen, membership?.message], [at(1), at(5), "v2Report"]);
  });

  test(`a host not heard of for the group membership interval has gone, last seen when it was${suffix}`, () => {
    const table = new HostTable<A>(LIMITS);
    say(table, 0, host(9), "to-ex");
    say(table, 100, host(9), "is-ex");
    say(table, 150, host(8), "to-ex");
    assert.deepEqual(table.poll(at(260)), [], "an early look finds nobody due");
    assert.equal(table.nextDeadline(), at(360));
    const [gone] = table.poll(at(360));
    assert.deepEqual([gone?.kind === "host-left" && gone.membership.lastSeen], [at(100)]);
    assert.equal(table.nextDeadline(), at(410));
  });

  test(`a lost TO_IN heals: IS_IN does not renew a host that is known to exclude${suffix}`, () => {
    const table = new HostTable<A>(LIMITS);
    say(table, 0, host(9), "to-ex");
    say(table, 200, host(9), "is-in", 1);
    assert.deepEqual(table.poll(at(260)).map(text), ["host-left expired"]);
  });

  test(`a v3 host is exact, a v2 host may be one of several, as its last message shows${suffix}`, () => {
    const table = new HostTable<A>(LIMITS);
    say(table, 0, host(9), "to-ex");
    assert.deepEqual(
      table.memberships().map(({ exact }) => exact),
      [true],
    );
    table.hear(at(5), host(9), { type: "is-ex", group: GROUP, sources: [], message: "v2Report" }, GMI);
    assert.deepEqual(
      table.memberships().map(({ exact }) => exact),
      [false],
    );
  });

  test(`sources count as the host's list is: what it takes back, and what it leaves, makes room${suffix}`, () => {
    const table = new HostTable<A>({ ...LIMITS, sourcesPerHost: 4 });
    assert.deepEqual(say(table, 0, host(9), "allow", 1, 2, 3), ["host-joined"]);
    assert.deepEqual(say(table, 0, host(9), "allow", 4, 5), ["igmp.host-sources"]);
    assert.equal(wants(table), "include 1 2 3", "a list that is refused changes nothing");
    assert.deepEqual(say(table, 0, host(9), "block", 1), []);
    assert.deepEqual(say(table, 0, host(9), "allow", 4, 5), []);
    assert.deepEqual(say(table, 0, host(9), "allow", 6), ["igmp.host-sources"]);
    say(table, 0, host(9), "to-in");
    assert.deepEqual(say(table, 0, host(9), "allow", 1, 2, 3, 4), ["host-joined"]);
  });

  test(`a host that joins and leaves as strangers takes no room for good: it is forgotten with its last join${suffix}`, () => {
    const table = new HostTable<A>({ ...LIMITS, memberships: 2 });
    for (const n of [1, 2, 3, 4]) {
      const who = host(n, `02:00:00:00:00:0${n}`);
      const joined = say(table, 0, who, "to-ex");
      assert.deepEqual(joined, n < 3 ? ["host-joined"] : ["tracking.full"]);
      say(table, 0, who, "to-in");
    }
    const lastOnes = { free: 32, total: 1024 };
    assert.equal(
      table.mayTake(at(0), host(5, ""), "groups", lastOnes),
      false,
      "uncounted, so taken for one that has its part",
    );
    assert.equal(table.mayTake(at(1), host(5, ""), "groups", lastOnes), true);
    assert.deepEqual(say(table, 1, host(4, "02:00:00:00:00:04"), "to-ex"), ["host-joined"]);
  });

  const nameOf = (who: TrackedHost<A>, group: A): string => `${who.port} ${who.mac} ${who.address} ${group}`;

  fuzz(`the table agrees with a list of memberships${suffix}`, { seed: 3376, rounds: 20_000 }, ({ below, rounds }) => {
    const unlimited = { memberships: 1e6, groupsPerHost: 1e6, joinsPerSecond: 1e9 };
    const table = new HostTable<A>({ ...LIMITS, ...unlimited });
    const model = new Model<A>();
    let s = 0;
    for (let round = 0; round < rounds; round++) {
      s += below(20);
      assert.deepEqual(table.poll(at(s)).map(text), Array(model.poll(at(s))).fill("host-left expired"));
      const who = host(
        1 + below(4),
        ["", "02:00:00:00:00:01", "02:00:00:00:00:02"][below(3)],
        ["", "lan1", "lan2"][below(3)],
      );
      const group = sample.group(1 + below(4));
      const told = (type: RecordType): string =>
        table.hear(at(s), who, { type, group, sources: [], message: "v3Report" }, GMI).map(text).join(" ");
      const deed = below(100);
      if (deed < 60) assert.equal(told("is-ex"), model.join(at(s), who, group));
      else if (deed < 95) assert.equal(told("to-in"), model.leave(who, group));
      else assert.equal(table.endGroup(group).length, model.endGroup(group));
      assert.deepEqual(
        table
          .memberships()
          .map((one) => nameOf(one.host, one.group))
          .sort(),
        model.members.map((one) => nameOf(one.who, one.group)).sort(),
      );
      assert.equal(table.nextDeadline(), earliest(model.members.map(({ expires }) => expires)));
    }
    assert.equal(table.clear().length, model.members.length);
    assert.deepEqual([table.memberships(), table.nextDeadline()], [[], undefined]);
  });

  test(`who leaves without having joined is no event${suffix}`, () => {
    const table = new HostTable<A>(LIMITS);
    assert.deepEqual(say(table, 0, host(9), "to-in"), []);
    assert.deepEqual(say(table, 0, host(9), "block", 1), []);
  });

  test(`tracking.full: no room for another pair of host and group; those known go on${suffix}`, () => {
    const table = new HostTable<A>({ ...LIMITS, memberships: 1 });
    say(table, 0, host(9), "to-ex");
    assert.deepEqual(say(table, 0, host(8), "to-ex"), ["tracking.full"]);
    assert.deepEqual(say(table, 1, host(9), "to-in"), ["host-left left"]);
    table.freePlace(GROUP);
    assert.deepEqual(say(table, 2, host(8), "to-ex"), ["host-joined"]);
  });
}
