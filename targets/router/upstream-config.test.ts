import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { address } from "../../core/base/ipv4.ts";
import { routerConfig, upstreamsOf } from "./config.ts";

const checked = (more: object) => v.safeParse(routerConfig, { id: "r", downstreams: [{ interface: "lan" }], ...more });
const faultsOf = (more: object): readonly string[] => (checked(more).issues ?? []).map(({ message }) => message);

test("`upstream` is `upstreams` of one", () => {
  const config = v.parse(routerConfig, {
    id: "r",
    downstreams: [{ interface: "lan" }],
    upstream: { interface: "wan" },
  });
  assert.deepEqual(upstreamsOf(config), [
    { interface: "wan", version: 3, forceVersion: false, refresh: "auto", linger: 0, allow: [], groups: [] },
  ]);
  const both = { upstream: { interface: "wan" }, upstreams: [{ interface: "wan2" }] };
  assert.deepEqual(faultsOf(both), ["`upstream` is the short form of `upstreams` with one: give one of the two"]);
});

test("who may send is an address or a prefix, and the range of a group belongs to one upstream", () => {
  const sources = ["10.1.0.2", "10.9.0.0/16", "0.0.0.0/0"];
  const config = v.parse(routerConfig, { id: "r", downstreams: [{ interface: "lan", sources }] });
  assert.deepEqual(config.downstreams[0]?.sources, [
    { address: address("10.1.0.2"), prefixLength: 32 },
    { address: address("10.9.0.0"), prefixLength: 16 },
    { address: address("0.0.0.0"), prefixLength: 0 },
  ]);
  for (const wrong of ["10.1.0.2/33", "10.1/16", "10.1.0.2/", ""])
    assert.equal(faultsOf({ downstreams: [{ interface: "lan", sources: [wrong] }] }).length, 1, wrong);
  const twice = [
    { interface: "a", groups: ["239.1.0.0/16"] },
    { interface: "b", groups: ["239.1.2.3/16"] },
  ];
  assert.deepEqual(faultsOf({ upstreams: twice }), ["two of `upstreams` name the same `groups`, or none"]);
  assert.equal(faultsOf({ upstreams: [{ interface: "a" }, { interface: "b" }] }).length, 1, "both take the rest");
});

test("spans and bounds have ranges", () => {
  for (const wrong of [{ refresh: 0 }, { refresh: 3601 }, { refresh: "on" }, { linger: 601 }, { changesPerSecond: 0 }])
    assert.ok(faultsOf({ upstream: { interface: "wan", ...wrong } }).length > 0, JSON.stringify(wrong));
});
