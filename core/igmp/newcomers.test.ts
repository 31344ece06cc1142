// New hosts: how many are taken at their word, and who is let in when more come.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seconds } from "../base/time.ts";
import type { TrackedHost } from "./host-shares.ts";
import { address, at } from "./igmp.testkit.ts";
import { Newcomers, type NewHostDrop, type NewHostLimits } from "./newcomers.ts";

const LIMITS: NewHostLimits = { newHostsPerMinute: 60, newHostsPerMinutePerPort: 30 };
/** Two at once, and then hardly any. */
const FEW: NewHostLimits = { newHostsPerMinute: 1, newHostsPerMinutePerPort: 1 };
const ROUND = seconds(5);
const LONGEST = seconds(125);
const GROUP = address("239.1.1.1");

/** Whom it asks. */
const ask = (newcomers: Newcomers, s: number) => newcomers.poll(at(s), ROUND, LONGEST);

const host = (n: number, port = ""): TrackedHost => ({ address: address(`10.0.${n >> 8}.${n & 255}`), mac: "", port });

/** Lets it in, or makes it wait. */
function come(newcomers: Newcomers, s: number, n: number, port = ""): NewHostDrop | undefined {
  const who = host(n, port);
  const reason = newcomers.refuse(at(s), who.address, who);
  if (reason === undefined) newcomers.admit(at(s), who.address, who);
  else newcomers.wait(at(s), who.address, { host: who, group: GROUP, reason });
  return reason;
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

/** How many of these come in. */
const admitted = (newcomers: Newcomers, s: number, who: readonly number[], port = ""): number =>
  who.filter((n) => come(newcomers, s, n, port) === undefined).length;

const waiting = (newcomers: Newcomers): number => [...newcomers.waiting()].length;

test("igmp.new-hosts: two minutes' worth at once, then one a second, and never more than that however long nobody came", () => {
  const newcomers = new Newcomers(LIMITS);
  assert.equal(admitted(newcomers, 0, range(0, 150)), 120);
  assert.equal(come(newcomers, 0, 150), "igmp.new-hosts");
  assert.equal(admitted(newcomers, 10, range(200, 50)), 10);
  assert.equal(admitted(newcomers, 100_000, range(300, 150)), 120);
});

test("igmp.port-new-hosts: of one port half as many, and another port has what is left", () => {
  const newcomers = new Newcomers(LIMITS);
  assert.equal(admitted(newcomers, 0, range(0, 100), "lan1"), 60);
  assert.equal(come(newcomers, 0, 100, "lan1"), "igmp.port-new-hosts");
  assert.equal(admitted(newcomers, 0, range(200, 100), "lan2"), 60);
  assert.equal(come(newcomers, 0, 400, "lan3"), "igmp.new-hosts", "the interface has none left");
});

test("a packet whose port taps have still to show leaves half for those whose port is known", () => {
  const newcomers = new Newcomers(LIMITS);
  newcomers.tap(true);
  assert.equal(admitted(newcomers, 0, range(0, 100)), 60);
  assert.equal(come(newcomers, 0, 100), "igmp.port-new-hosts");
  assert.equal(admitted(newcomers, 0, range(200, 100), "lan2"), 60);
});

test("while nobody is known nobody is new, and no token is taken", () => {
  const newcomers = new Newcomers(LIMITS);
  newcomers.open(at(41));
  assert.equal(admitted(newcomers, 40, range(0, 1000)), 1000);
  assert.equal(admitted(newcomers, 41, range(2000, 150)), 120);
});

test("without limits nobody waits", () => {
  const none = Number.POSITIVE_INFINITY;
  const newcomers = new Newcomers({ newHostsPerMinute: none, newHostsPerMinutePerPort: none });
  assert.equal(admitted(newcomers, 0, range(0, 5000), "lan1"), 5000);
  assert.equal(newcomers.nextDeadline(), undefined);
});

test("who is refused is asked after a second, and comes in with its answer; when nobody waits nobody is asked", () => {
  const newcomers = new Newcomers(LIMITS);
  admitted(newcomers, 0, range(0, 200));
  assert.equal(newcomers.nextDeadline(), at(1));
  assert.equal(ask(newcomers, 0.9), undefined);
  assert.equal(ask(newcomers, 1), "everybody");
  assert.equal(admitted(newcomers, 1.5, range(120, 80)), 80);
  assert.equal(ask(newcomers, 6), undefined);
  assert.equal(newcomers.nextDeadline(), undefined);
});

test("a thousand set-tops after a power cut are in within seconds, in the order in which they came", () => {
  const newcomers = new Newcomers(LIMITS);
  const crowd = range(0, 1000);
  let inside = admitted(newcomers, 0, crowd, "lan1");
  let left = crowd.slice(inside);
  let now = 1;
  for (; left.length > 0; now += 5) {
    assert.ok(ask(newcomers, now));
    const before = left;
    left = before.filter((n) => come(newcomers, now + 0.5, n, "lan1") !== undefined);
    inside += before.length - left.length;
    assert.deepEqual(left, before.slice(before.length - left.length));
  }
  assert.equal(inside, 1000);
  assert.ok(now <= 21, `${now} s`);
});

test("who says nothing between two questions loses its place: one that comes behind ten thousand invented ones is let in after two", () => {
  const newcomers = new Newcomers(FEW);
  admitted(newcomers, 0, range(0, 3));
  ask(newcomers, 1);
  admitted(newcomers, 2, range(1000, 10_000));
  assert.equal(come(newcomers, 2, 60_000), "igmp.new-hosts");
  ask(newcomers, 6);
  assert.equal(come(newcomers, 6.5, 60_000), "igmp.new-hosts", "it is not its turn");
  ask(newcomers, 11);
  assert.equal(come(newcomers, 11.5, 60_000), undefined);
});

test("those that are kept alive come in before one that came later, half of a round from one port; another port does not wait for them", () => {
  const newcomers = new Newcomers(FEW);
  const kept = range(0, 600);
  admitted(newcomers, 0, kept, "lan1");
  come(newcomers, 0, 1000, "lan1");
  come(newcomers, 0, 2000, "lan2");
  ask(newcomers, 1);
  assert.equal(admitted(newcomers, 1.5, kept, "lan1"), 250);
  assert.equal(come(newcomers, 1.5, 2000, "lan2"), undefined);
  assert.equal(come(newcomers, 1.5, 1000, "lan1"), "igmp.port-new-hosts");
});

test("the line is bounded, and says who waits, for what, since when and how often", () => {
  const newcomers = new Newcomers(FEW);
  admitted(newcomers, 0, range(0, 20_000));
  assert.equal(waiting(newcomers), 16_384);
  come(newcomers, 3, 5, "lan1");
  const [, , , one] = newcomers.waiting();
  assert.deepEqual(
    { ...one, isDue: undefined },
    { host: host(5, "lan1"), group: GROUP, reason: "igmp.new-hosts", times: 2, last: at(3), isDue: undefined },
  );
  newcomers.clear();
  assert.equal(waiting(newcomers), 0);
  assert.equal(newcomers.nextDeadline(), undefined);
});

test("a short line is asked about its groups alone, a long one by a general question", () => {
  const newcomers = new Newcomers(FEW);
  admitted(newcomers, 0, range(0, 18));
  assert.equal(waiting(newcomers), 16);
  assert.deepEqual(ask(newcomers, 1), [GROUP]);
  admitted(newcomers, 2, range(100, 17));
  assert.equal(ask(newcomers, 6), "everybody");
});

/** When those questions are asked at which one that is never let in, as it lacks something else, answers. */
function askedAt(newcomers: Newcomers, from: number, to: number, deeds: (s: number) => void = () => {}): number[] {
  const times: number[] = [];
  for (let s = from; s < to; s++) {
    deeds(s);
    if (ask(newcomers, s) === undefined) continue;
    times.push(s);
    const one = { host: host(7), group: GROUP, reason: "igmp.new-hosts" } as const;
    newcomers.wait(at(s), one.host.address, one);
  }
  return times;
}

test("questions that let nobody in become rarer, up to the query interval", () => {
  const newcomers = new Newcomers(FEW);
  admitted(newcomers, 0, range(1, 7));
  assert.deepEqual(askedAt(newcomers, 1, 600), [1, 6, 11, 16, 26, 46, 86, 166, 291, 416, 541]);
});

test("who comes while the questions are rare is asked after a second, in within two rounds, and in between nobody is asked more often than that", () => {
  const newcomers = new Newcomers(FEW);
  admitted(newcomers, 0, range(1, 7));
  const times = askedAt(newcomers, 1, 230, (s) => {
    if (s === 200) assert.equal(admitted(newcomers, 200, range(900, 3)), 2, "the last finds no token");
    if (s === 202) assert.equal(come(newcomers, 202, 902), undefined);
  });
  assert.deepEqual(times, [1, 6, 11, 16, 26, 46, 86, 166, 201, 206, 211, 216, 221]);
});
