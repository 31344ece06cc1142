// Who may have how much: by host, by port, by rate, and by what is left for the others.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address, ipv4 } from "../base/ipv4.ts";
import {
  FIRST_GROUPS,
  type Holding,
  type HostShare,
  HostShares,
  hasRoom,
  mayBring,
  type Room,
  type ShareLimits,
  type TrackedHost,
} from "./host-shares.ts";
import { at } from "./igmp.testkit.ts";

const OFF = Number.POSITIVE_INFINITY;
const NO_LIMITS: ShareLimits = {
  groupsPerHost: OFF,
  groupsPerPort: OFF,
  sourcesPerHost: OFF,
  sourcesPerPort: OFF,
  joinsPerSecond: OFF,
  joinsAtOnce: 10_000,
  proxies: [],
};
const PLENTY: Room = { free: 10_000, total: 10_000 };
const host = (n: number, mac = "", port = ""): TrackedHost => ({ address: address(`10.0.0.${n}`), mac, port });

const holding = (n: number, sources = 0): Holding => ({ group: ipv4(0xef000000 + n), sources });
const ONE = holding(1);
let lastGroup = 0;

/** Takes until refused, each time another group, at most `most`; how many it got, and why no more. */
function fill(shares: HostShares, s: number, who: TrackedHost, most: number, room = PLENTY): [number, string] {
  for (let got = 0; got < most; got++) {
    const another = holding(lastGroup++);
    const refused = shares.refuse(at(s), who, another, { ...room, free: room.free - got });
    if (refused !== undefined) return [got, refused];
    shares.take(at(s), who, another);
  }
  return [most, ""];
}

test("igmp.host-groups: a MAC on a port is one host with all its addresses; without a MAC the address is the host", () => {
  const shares = new HostShares({ ...NO_LIMITS, groupsPerHost: 3 });
  assert.deepEqual(fill(shares, 0, host(1, "02:00:00:00:00:01"), 2), [2, ""]);
  assert.deepEqual(fill(shares, 0, host(2, "02:00:00:00:00:01"), 9), [1, "igmp.host-groups"]);
  assert.deepEqual(fill(shares, 0, host(1, "02:00:00:00:00:01", "lan2"), 9), [3, "igmp.host-groups"]);
  assert.deepEqual(fill(shares, 0, host(1), 9), [3, "igmp.host-groups"]);
  assert.deepEqual(fill(shares, 0, host(2), 9), [3, "igmp.host-groups"]);
});

test("0.0.0.0 without a MAC may be many hosts: no limit of one host holds for it, the share of the room does", () => {
  const shares = new HostShares({ ...NO_LIMITS, groupsPerHost: 3, joinsPerSecond: 1, joinsAtOnce: 3 });
  const unknown = { address: ANY, mac: "", port: "" };
  assert.deepEqual(fill(shares, 0, unknown, 1000, { free: 100, total: 100 }), [84, "igmp.host-share"]);
  assert.deepEqual(fill(shares, 0, { ...unknown, mac: "02:00:00:00:00:01" }, 9), [3, "igmp.host-groups"]);
});

test("igmp.port-groups: all hosts behind a port together; what has no port is not counted", () => {
  const shares = new HostShares({ ...NO_LIMITS, groupsPerPort: 3 });
  assert.deepEqual(fill(shares, 0, host(1, "02:00:00:00:00:01", "lan1"), 2), [2, ""]);
  assert.deepEqual(fill(shares, 0, host(2, "02:00:00:00:00:02", "lan1"), 9), [1, "igmp.port-groups"]);
  assert.deepEqual(fill(shares, 0, host(3, "02:00:00:00:00:03", "lan2"), 9), [3, "igmp.port-groups"]);
  assert.deepEqual(fill(shares, 0, host(4), 9), [9, ""]);
});

test("igmp.port-groups counts groups, not who watches them: what another host behind the port has is had for nothing", () => {
  const shares = new HostShares({ ...NO_LIMITS, groupsPerPort: 1 });
  const [first, second] = [1, 2].map((n) => shares.take(at(0), host(n, "", "lan1"), ONE));
  assert.equal(shares.refuse(at(0), host(3, "", "lan1"), ONE, PLENTY), undefined);
  assert.equal(shares.refuse(at(0), host(3, "", "lan1"), holding(2), PLENTY), "igmp.port-groups");
  assert.ok(first && second);
  shares.giveBack(first, ONE);
  assert.equal(shares.refuse(at(0), host(3, "", "lan1"), holding(2), PLENTY), "igmp.port-groups", "one still watches");
  shares.giveBack(second, ONE);
  assert.equal(shares.refuse(at(0), host(3, "", "lan1"), holding(2), PLENTY), undefined);
});

test("igmp.host-sources, igmp.port-sources: sources of all groups together, of one host and of all behind a port", () => {
  const shares = new HostShares({ ...NO_LIMITS, sourcesPerHost: 10, sourcesPerPort: 15 });
  const [one, other] = [host(1, "", "lan1"), host(2, "", "lan1")];
  const share = shares.take(at(0), one, holding(1, 8));
  assert.equal(shares.refuse(at(0), one, holding(2, 3), PLENTY), "igmp.host-sources");
  assert.equal(shares.refuse(at(0), one, holding(2, 2), PLENTY), undefined);
  assert.equal(shares.refuseSources(one, 3), "igmp.host-sources", "nor by a longer list");
  shares.addSources(share, 2);
  assert.equal(shares.refuse(at(0), other, holding(2, 6), PLENTY), "igmp.port-sources");
  assert.equal(shares.refuse(at(0), other, holding(2, 5), PLENTY), undefined);
  assert.equal(shares.refuse(at(0), host(2), holding(2, 6), PLENTY), undefined, "nobody knows its port");
  shares.giveBack(share, holding(1, 10));
  assert.equal(shares.refuse(at(0), other, holding(2, 10), PLENTY), undefined);
});

test("a port has room again when a host behind it gives back", () => {
  const shares = new HostShares({ ...NO_LIMITS, groupsPerPort: 1 });
  const share = shares.take(at(0), host(1, "", "lan1"), ONE);
  assert.equal(shares.refuse(at(0), host(2, "", "lan1"), holding(2), PLENTY), "igmp.port-groups");
  shares.giveBack(share, ONE);
  assert.equal(shares.refuse(at(0), host(2, "", "lan1"), holding(2), PLENTY), undefined);
});

test("igmp.host-rate: at once as many as a host may have, then so many a second, though it gives all back", () => {
  const shares = new HostShares({ ...NO_LIMITS, joinsPerSecond: 2, joinsAtOnce: 5 });
  const zap = (s: number): string | undefined => {
    const refused = shares.refuse(at(s), host(1), ONE, PLENTY);
    if (refused === undefined) shares.giveBack(shares.take(at(s), host(1), ONE), ONE);
    return refused;
  };
  assert.deepEqual(Array.from({ length: 6 }, () => zap(0)).filter(Boolean), ["igmp.host-rate"]);
  assert.equal(zap(0.4), "igmp.host-rate");
  assert.deepEqual(
    [zap(0.5), zap(0.5), zap(1.5), zap(1.5), zap(1.5)],
    [undefined, "igmp.host-rate", undefined, undefined, "igmp.host-rate"],
  );
  assert.equal(shares.refuse(at(1.5), host(2), ONE, PLENTY), undefined, "another host is not concerned");
});

test("igmp.host-share: the first few always; the last 32nd for them alone, and of the one before never more than is left", () => {
  const of640 = (free: number): Room => ({ free, total: 640 });
  assert.equal(hasRoom(FIRST_GROUPS - 1, of640(1)), true);
  assert.equal(hasRoom(0, of640(0)), false);
  assert.equal(hasRoom(FIRST_GROUPS, of640(20)), false);
  assert.equal(hasRoom(FIRST_GROUPS, of640(20 + FIRST_GROUPS)), false);
  assert.equal(hasRoom(FIRST_GROUPS, of640(20 + FIRST_GROUPS + 1)), true);
  assert.equal(hasRoom(599, of640(41)), true);
  assert.equal(hasRoom(600, of640(40)), false);
});

test("one host alone gets fifteen sixteenths; those who come later get less each, and one part in 32 stays free for small ones", () => {
  const shares = new HostShares(NO_LIMITS);
  const room = { free: 4096, total: 4096 };
  for (const n of [1, 2, 3, 4]) room.free -= fill(shares, 0, host(n), room.total, room)[0];
  assert.deepEqual([room.free, ...[1, 2, 3, 4].map((n) => shares.held(host(n)))], [144, 3840, 64, 32, 16]);
});

test("igmp.port-share: hosts with their first few each, behind one port, leave the last 64th to others; a proxy there does not", () => {
  const proxies: ShareLimits["proxies"] = [{ kind: "mac", mac: "02:00:00:00:00:01" }];
  const shares = new HostShares({ ...NO_LIMITS, proxies });
  const room = { free: 1024, total: 1024 };
  const first = (n: number, port: string): [number, string] => {
    const got = fill(shares, 0, host(n, `02:00:00:00:01:${n}`, port), FIRST_GROUPS, room);
    room.free -= got[0];
    return got;
  };
  for (let n = 100; room.free > 16; n++) assert.deepEqual(first(n, "lan1"), [FIRST_GROUPS, ""]);
  assert.deepEqual(first(99, "lan1"), [0, "igmp.port-share"]);
  assert.deepEqual(first(98, "lan2"), [FIRST_GROUPS, ""], "behind another");
  assert.deepEqual(first(97, "lan2"), [0, "igmp.port-share"], "of what is left, never more than that");
  assert.deepEqual(first(96, ""), [FIRST_GROUPS, ""], "nobody knows its port");
  assert.equal(shares.refuse(at(0), host(1, "02:00:00:00:00:01", "lan1"), ONE, { free: 1, total: 1024 }), undefined);
});

test("igmp.host-share: of the last half a host brings its first few, the fewer the less is left, and two of the very last", () => {
  const of640 = (free: number): Room => ({ free, total: 640 });
  assert.equal(mayBring(600, of640(321)), true, "half is free");
  const most = (free: number): number => [...Array(20).keys()].filter((places) => mayBring(places, of640(free))).length;
  assert.deepEqual([320, 240, 160, 80, 1, 0].map(most), [8, 6, 4, 2, 2, 0]);
});

/** Brings so many groups that nobody has, and leaves each as soon as `other` is in it. */
function handOver(shares: HostShares, from: TrackedHost, other: TrackedHost, count: number): void {
  for (let n = 0; n < count; n++) {
    const another = holding(lastGroup++);
    const brought = shares.take(at(0), from, another);
    const share = shares.take(at(0), other, another);
    shares.passOn(another.group, brought, [{ share }]);
    shares.giveBack(brought, another);
  }
}

test("the place of a group is its bringer's; who stays takes over a few, and the rest goes on counting for who left", () => {
  const shares = new HostShares(NO_LIMITS);
  handOver(shares, host(1), host(2), 5);
  assert.deepEqual(
    [1, 2].map((n) => shares.places(host(n))),
    [3, 2],
  );
  shares.forgetIdle(at(100_000));
  assert.equal(shares.places(host(1)), 3, "it is not forgotten before its groups are over");
  for (let n = 1; n <= 5; n++) shares.freePlace(ipv4(0xef000000 + lastGroup - n));
  assert.equal(shares.places(host(1)), 0);
  shares.forgetIdle(at(100_001));
  assert.equal(shares.size, 1);
});

test("of hosts that are greedy at the same time each gets the same", () => {
  const shares = new HostShares(NO_LIMITS);
  const room = { free: 1600, total: 1600 };
  for (let round = 0; round < 1600; round++) {
    for (const n of [1, 2, 3, 4].filter((one) => shares.refuse(at(0), host(one), ONE, room) === undefined)) {
      shares.take(at(0), host(n), ONE);
      room.free--;
    }
  }
  assert.deepEqual([room.free, ...[1, 2, 3, 4].map((n) => shares.held(host(n)))], [100, 375, 375, 375, 375]);
});

test("for a host named as a proxy, by address or MAC, no limit of one host holds, the port's does", () => {
  const limits = { ...NO_LIMITS, groupsPerHost: 3, joinsPerSecond: 1, joinsAtOnce: 3 };
  const proxies: ShareLimits["proxies"] = [
    { kind: "mac", mac: "02:00:00:00:00:01" },
    { kind: "subnet", subnet: { address: address("10.0.0.2"), prefixLength: 32 } },
  ];
  const shares = new HostShares({ ...limits, groupsPerPort: 40, proxies });
  assert.deepEqual(fill(shares, 0, host(1, "02:00:00:00:00:01"), 50, { free: 50, total: 50 }), [50, ""]);
  assert.deepEqual(fill(shares, 0, host(2), 50, { free: 50, total: 50 }), [50, ""]);
  assert.deepEqual(fill(shares, 0, host(3), 50), [3, "igmp.host-groups"]);
  assert.deepEqual(fill(shares, 0, host(9, "02:00:00:00:00:01", "lan1"), 50), [40, "igmp.port-groups"]);
});

test("a host that holds nothing is remembered until it may join as freely as a stranger, and no longer", () => {
  const shares = new HostShares({ ...NO_LIMITS, joinsPerSecond: 2, joinsAtOnce: 4 });
  const held: HostShare[] = [1, 2, 3].map((n) => shares.take(at(0), host(n), ONE));
  for (const share of held) shares.giveBack(share, ONE);
  shares.freePlace(ONE.group);
  shares.take(at(0.25), host(3), ONE);
  shares.forgetIdle(at(0.49));
  assert.equal(shares.size, 3);
  shares.forgetIdle(at(0.5));
  assert.equal(shares.size, 1, "who holds something stays");
});
