import assert from "node:assert/strict";
import { test } from "node:test";
import { ipv4 } from "../base/ipv4.ts";
import { instant } from "../base/time.ts";
import { Refusals } from "./refusals.ts";

const refused = (address: number, mac = "", port = "") => ({
  name: "lan",
  reason: "igmp.host-groups" as const,
  host: { address: ipv4(address), mac, port },
});

test("a host is its MAC on its port, with all its addresses; the last refusal is first", () => {
  const refusals = new Refusals();
  refusals.note(instant(1), refused(1, "02:00:00:00:00:01", "lan1"));
  refusals.note(instant(2), refused(9));
  refusals.note(instant(3), refused(2, "02:00:00:00:00:01", "lan1"));
  refusals.note(instant(4), refused(8));
  assert.deepEqual(
    refusals.recent().map(({ host, times, last }) => [host.address, times, last]),
    [
      [8, 1, 4],
      [2, 2, 3],
      [9, 1, 2],
    ],
  );
});

test("a flood of invented hosts leaves the most recent only, and the one that goes on is among them", () => {
  const refusals = new Refusals();
  for (let i = 0; i < 10_000; i++) {
    refusals.note(instant(i), refused(1000 + i));
    refusals.note(instant(i), refused(1));
  }
  const recent = refusals.recent();
  assert.equal(recent.length, 64);
  assert.deepEqual(recent[0], { ...refused(1), group: undefined, rule: undefined, times: 10_000, last: 9999 });
});

test("what is refused for another reason, or behind another port, a flood does not push out", () => {
  const refusals = new Refusals();
  refusals.note(instant(1), refused(1, "", "lan1"));
  refusals.note(instant(2), { ...refused(2, "", "lan3"), reason: "igmp.host-share" });
  for (let i = 0; i < 10_000; i++) refusals.note(instant(3 + i), refused(1000 + i, "", "lan3"));
  const recent = refusals.recent();
  assert.equal(recent.length, 64);
  assert.deepEqual(
    recent.slice(-2).map(({ host, reason }) => [host.address, reason]),
    [
      [2, "igmp.host-share"],
      [1, "igmp.host-groups"],
    ],
  );
});

test("each group that a rule refuses is told by itself, with the rule", () => {
  const refusals = new Refusals();
  const [film, news] = [ipv4(0xef010901), ipv4(0xef010001)];
  for (const group of [film, news, film])
    refusals.note(instant(1), { ...refused(1), reason: "policy.denied", group, rule: { place: 2, origin: "control" } });
  const told = refusals.recent().map(({ group, rule, times }) => [group, rule?.place, rule?.origin, times]);
  assert.deepEqual(told, [
    [film, 2, "control", 2],
    [news, 2, "control", 1],
  ]);
});
