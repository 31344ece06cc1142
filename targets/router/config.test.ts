import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { address } from "../../core/base/ipv4.ts";
import { routerConfig } from "./config.ts";

const least = { id: "r", downstreams: [{ interface: "br-lan" }] };
const faults = (more: object): string[] => {
  const checked = v.safeParse(routerConfig, { ...least, ...more });
  return (checked.issues ?? []).map((issue) => `${v.getDotPath(issue) ?? ""}: ${issue.message}`);
};

test("one downstream is enough; the rest has defaults", () => {
  const config = v.parse(routerConfig, least);
  const [lan] = config.downstreams;
  assert.deepEqual(
    [lan?.version, lan?.immediateLeave, config.forwarding, config.taps, config.idle],
    [3, "off", "kernel", true, 180_000],
  );
});

test("limits have defaults, a range, and none per port unless asked for", () => {
  const [lan] = v.parse(routerConfig, least).downstreams;
  assert.deepEqual(
    [lan?.maxHostMemberships, lan?.maxGroupsPerHost, lan?.maxGroupsPerPort, lan?.joinsPerSecond],
    [100_000, 64, undefined, 100],
  );
  const none = { maxHostMemberships: 0, maxGroupsPerHost: 0, maxGroupsPerPort: 0, joinsPerSecond: 0 };
  assert.deepEqual(
    faults({ downstreams: [{ interface: "br-lan", ...none }] }).map((fault) => fault.split(":")[0]),
    Object.keys(none).map((name) => `downstreams.0.${name}`),
  );
});

test("evidence waits in a bounded file, unless in memory is asked for", () => {
  assert.deepEqual(v.parse(routerConfig, least).evidence, { limit: 16_384 });
  assert.deepEqual(v.parse(routerConfig, { ...least, evidence: { file: "" } }).evidence, { file: "", limit: 16_384 });
  for (const limit of [255, 131_073]) assert.equal(faults({ evidence: { limit } }).length, 1);
});

test("a prefix becomes group and length", () => {
  const config = v.parse(routerConfig, { id: "r", downstreams: [{ interface: "br-lan", allow: ["239.255.0.0/16"] }] });
  assert.deepEqual(config.downstreams[0]?.allow, [{ group: address("239.255.0.0"), length: 16 }]);
});

test("times that RFC 3376 section 8 forbids are faults of the downstream", () => {
  const downstreams = [{ interface: "br-lan", queryInterval: 5, queryResponseInterval: 5 }];
  assert.deepEqual(faults({ downstreams }), ["downstreams.0: times.response-not-below-interval"]);
});

test("what is no multicast prefix is a fault with its path", () => {
  const deny = ["10.0.0.0/8", "239.1.1.1/33", "239.1.1.1"];
  assert.equal(faults({ downstreams: [{ interface: "br-lan", deny }] }).length, 2);
});

test("an interface may be named once", () => {
  assert.deepEqual(faults({ upstream: { interface: "br-lan" } }), [": an interface is named twice"]);
});

test("broker, identity and reception come together", () => {
  const [fault] = faults({ identity: "/etc/sealcast/router.identity" });
  assert.match(fault ?? "", /come together or not at all/);
});
