// Who may have how much: by host, by port, by rate, and by what is left for the others.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address } from "../base/ipv4.ts";
import {
  FIRST_GROUPS,
  type HostShare,
  HostShares,
  hasRoom,
  type ShareLimits,
  type TrackedHost,
} from "./host-shares.ts";
import { at } from "./igmp.testkit.ts";

const OFF = Number.POSITIVE_INFINITY;
const NO_LIMITS: ShareLimits = { groupsPerHost: OFF, groupsPerPort: OFF, joinsPerSecond: OFF };
const PLENTY = 10_000;
const host = (n: number, mac = "", port = ""): TrackedHost => ({ address: address(`10.0.0.${n}`), mac, port });

/** Takes until refused, at most `most`; how many it got, and why no more. */
function fill(shares: HostShares, s: number, who: TrackedHost, most: number, free = PLENTY): [number, string] {
  for (let got = 0; got < most; got++) {
    const refused = shares.refuse(at(s), who, free - got);
    if (refused !== undefined) return [got, refused];
    shares.take(at(s), who);
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
  const shares = new HostShares({ groupsPerHost: 3, groupsPerPort: OFF, joinsPerSecond: 1 });
  const unknown = { address: ANY, mac: "", port: "" };
  assert.deepEqual(fill(shares, 0, unknown, PLENTY, 100), [50, "igmp.host-share"]);
  assert.deepEqual(fill(shares, 0, { ...unknown, mac: "02:00:00:00:00:01" }, 9), [3, "igmp.host-groups"]);
});

test("igmp.port-groups: all hosts behind a port together; what has no port is not counted", () => {
  const shares = new HostShares({ ...NO_LIMITS, groupsPerPort: 3 });
  assert.deepEqual(fill(shares, 0, host(1, "02:00:00:00:00:01", "lan1"), 2), [2, ""]);
  assert.deepEqual(fill(shares, 0, host(2, "02:00:00:00:00:02", "lan1"), 9), [1, "igmp.port-groups"]);
  assert.deepEqual(fill(shares, 0, host(3, "02:00:00:00:00:03", "lan2"), 9), [3, "igmp.port-groups"]);
  assert.deepEqual(fill(shares, 0, host(4), 9), [9, ""]);
});

test("a port has room again when a host behind it gives back", () => {
  const shares = new HostShares({ ...NO_LIMITS, groupsPerPort: 1 });
  const share = shares.take(at(0), host(1, "", "lan1"));
  assert.equal(shares.refuse(at(0), host(2, "", "lan1"), PLENTY), "igmp.port-groups");
  shares.giveBack(share);
  assert.equal(shares.refuse(at(0), host(2, "", "lan1"), PLENTY), undefined);
});

test("igmp.host-rate: at once as many as a host may have, then so many a second, though it gives all back", () => {
  const shares = new HostShares({ groupsPerHost: 5, groupsPerPort: OFF, joinsPerSecond: 2 });
  const zap = (s: number): string | undefined => {
    const refused = shares.refuse(at(s), host(1), PLENTY);
    if (refused === undefined) shares.giveBack(shares.take(at(s), host(1)));
    return refused;
  };
  assert.deepEqual(Array.from({ length: 6 }, () => zap(0)).filter(Boolean), ["igmp.host-rate"]);
  assert.equal(zap(0.4), "igmp.host-rate");
  assert.deepEqual(
    [zap(0.5), zap(0.5), zap(1.5), zap(1.5), zap(1.5)],
    [undefined, "igmp.host-rate", undefined, undefined, "igmp.host-rate"],
  );
  assert.equal(shares.refuse(at(1.5), host(2), PLENTY), undefined, "another host is not concerned");
});

test("igmp.host-share: the first few always, then never more than is left for the others", () => {
  assert.equal(hasRoom(FIRST_GROUPS - 1, 1), true);
  assert.equal(hasRoom(0, 0), false);
  assert.equal(hasRoom(FIRST_GROUPS, FIRST_GROUPS), false);
  assert.equal(hasRoom(FIRST_GROUPS, FIRST_GROUPS + 1), true);
});

test("of n greedy hosts each gets a part in n + 1 and one part stays free", () => {
  const shares = new HostShares(NO_LIMITS);
  let free = 1000;
  for (let round = 0; round < 1000; round++) {
    for (const n of [1, 2, 3, 4]) {
      if (shares.refuse(at(0), host(n), free) !== undefined) continue;
      shares.take(at(0), host(n));
      free--;
    }
  }
  assert.deepEqual([free, ...[1, 2, 3, 4].map((n) => shares.held(host(n)))], [200, 200, 200, 200, 200]);
});

test("a host that holds nothing is remembered until it may join as freely as a stranger, and no longer", () => {
  const shares = new HostShares({ groupsPerHost: 4, groupsPerPort: OFF, joinsPerSecond: 2 });
  const held: HostShare[] = [1, 2, 3].map((n) => shares.take(at(0), host(n)));
  for (const share of held) shares.giveBack(share);
  shares.take(at(0.25), host(3));
  shares.forgetIdle(at(0.49));
  assert.equal(shares.size, 3);
  shares.forgetIdle(at(0.5));
  assert.equal(shares.size, 1, "who holds something stays");
});
