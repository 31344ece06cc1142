import assert from "node:assert/strict";
import { test } from "node:test";
import { IPV4 } from "../base/address.ts";
import { address, ipv4 } from "../base/ipv4.ts";
import { instant } from "../base/time.ts";
import { Zaps } from "./zaps.ts";

const member = (group: string, mac = "02:00:00:00:00:01") => ({
  host: { address: address("10.0.0.1"), mac, port: "" },
  group: address(group),
});
const [ONE, TWO, THREE] = ["239.1.1.1", "239.1.1.2", "239.1.1.3"];

test("a leave and a join within five seconds are one zap into the group that is joined, in either order", () => {
  const zaps = new Zaps(IPV4);
  zaps.note(instant(0), "joined", member(ONE));
  zaps.note(instant(60_000), "left", member(ONE));
  zaps.note(instant(65_000), "joined", member(TWO));
  assert.deepEqual([zaps.total, zaps.into(address(TWO))], [1, 1]);
  zaps.note(instant(90_000), "joined", member(THREE));
  zaps.note(instant(90_100), "left", member(TWO));
  assert.deepEqual([zaps.total, zaps.into(address(THREE)), zaps.into(address(ONE))], [2, 1, 0]);
});

test("no zap: too late, the same group again, another host, a third step, what never leaves its link", () => {
  const zaps = new Zaps(IPV4);
  zaps.note(instant(0), "left", member(ONE));
  zaps.note(instant(5_001), "joined", member(TWO));
  zaps.note(instant(5_002), "left", member(TWO));
  zaps.note(instant(5_003), "joined", member(TWO));
  zaps.note(instant(6_000), "left", member(THREE, "02:00:00:00:00:02"));
  zaps.note(instant(6_001), "left", member("224.0.0.251"));
  assert.equal(zaps.total, 0);
  zaps.note(instant(6_002), "left", member(ONE));
  zaps.note(instant(6_003), "joined", member(THREE));
  assert.equal(zaps.total, 1, "the steps before are used up, these two are a pair");
});

test("a flood of hosts and groups leaves a bounded memory: who was quiet longest goes", () => {
  const zaps = new Zaps(IPV4);
  zaps.note(instant(0), "left", member(ONE));
  for (let i = 0; i < 5000; i++) {
    const host = { address: ipv4(i), mac: "", port: "" };
    zaps.note(instant(1), "left", { host, group: address(ONE) });
    zaps.note(instant(1), "joined", { host, group: ipv4(0xef020000 + i) });
    zaps.note(instant(1), "left", { host, group: ipv4(0xef020000 + i) });
  }
  zaps.note(instant(2), "joined", member(TWO));
  assert.equal(zaps.total, 5000, "the first host's step is forgotten");
  assert.equal(zaps.into(ipv4(0xef020000)), 0);
  assert.equal(zaps.into(ipv4(0xef020000 + 4999)), 1);
});
