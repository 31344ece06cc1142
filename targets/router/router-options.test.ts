import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { type RouterConfig, routerConfig } from "./config.ts";
import { needingRestart } from "./router-options.ts";

const LAN = { interface: "br-lan" };
const KEPT = { interface: "br-lan", snooping: true };

const parsed = (lan: object, more: object = {}): RouterConfig =>
  v.parse(routerConfig, { id: "r", upstream: { interface: "wan" }, downstreams: [lan], ...more });

test("what the running router takes over needs no restart", () => {
  const changed = { ...KEPT, queryInterval: 60, leave: "standard", deny: ["239.0.0.0/8"], joinsPerSecond: 7 };
  assert.deepEqual(needingRestart(parsed(KEPT), parsed(changed, { rules: [{ action: "deny" }] })), []);
});

test("what a bridge's ports get is fixed at the start, and named with the bridge", () => {
  const restarts = (lan: object): readonly string[] => needingRestart(parsed(KEPT), parsed(lan));
  assert.deepEqual(restarts({ ...KEPT, routerPorts: ["lan4"] }), ["downstreams.br-lan.routerPorts"]);
  const speaks = { ...KEPT, proxyReporting: true, reportSource: "own" };
  assert.deepEqual(restarts(speaks), ["downstreams.br-lan.proxyReporting", "downstreams.br-lan.reportSource"]);
  assert.deepEqual(restarts({ ...KEPT, maxGroupsPerPort: 4 }), ["downstreams.br-lan.maxGroupsPerPort"]);
  assert.deepEqual(needingRestart(parsed(LAN), parsed({ ...LAN, maxGroupsPerPort: 4 })), [], "without kept ports");
});

test("snooping that comes or goes is named alone, and where the default changes it too", () => {
  for (const [was, is] of [
    [LAN, KEPT],
    [KEPT, LAN],
  ] as const)
    assert.deepEqual(needingRestart(parsed(was), parsed(is)), ["downstreams.br-lan.snooping"]);
  const bridged = v.parse(routerConfig, { id: "r", downstreams: [LAN], forwarding: "bridge" });
  const routed = v.parse(routerConfig, { id: "r", downstreams: [LAN] });
  assert.ok(needingRestart(routed, bridged).includes("downstreams.br-lan.snooping"));
});

test("an interface that comes or goes is named once, as one of the downstreams", () => {
  const two = v.parse(routerConfig, {
    id: "r",
    upstream: { interface: "wan" },
    downstreams: [KEPT, { interface: "lan9" }],
  });
  assert.deepEqual(needingRestart(parsed(KEPT), two), ["downstreams"]);
  assert.deepEqual(needingRestart(two, parsed(KEPT)), ["downstreams"]);
});
