import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { type RouterConfig, routerConfig } from "./config.ts";
import { conflicts, inForce } from "./in-force.ts";
import { faultText, type RouterPolicy, readPolicy } from "./policy.ts";

const LAN = {
  interface: "lan",
  deny: ["239.1.9.0/24"],
  maxGroups: 100,
  maxSources: 64,
  maxGroupsPerHost: 4,
  joinsPerSecond: 10,
  staticGroups: [{ group: "239.1.1.1" }],
};
const configured = (more: object = {}): RouterConfig =>
  v.parse(routerConfig, {
    id: "r",
    upstream: { interface: "wan", bandwidth: 1000 },
    downstreams: [LAN, { interface: "wifi" }],
    rules: [{ action: "allow" }],
    bandwidth: { otherChannels: 100 },
    ...more,
  });
const FILE = configured();

function policy(value: object): RouterPolicy {
  const checked = readPolicy(JSON.stringify(value));
  assert.ok(checked.ok, JSON.stringify(checked));
  return checked.config;
}

const merged = (value: object) => inForce(FILE, policy(value));
const faults = (value: object, file = FILE) => conflicts(file, policy(value)).map(faultText);

test("without a policy, and with an empty one, all is the file's", () => {
  assert.deepEqual(merged({}), { config: FILE, byControl: new Set(), remarks: [] });
});

test("rules and bandwidths take the place of the file's as wholes", () => {
  const { config, byControl } = merged({ rules: [{ action: "deny" }, { action: "allow" }], bandwidth: {} });
  assert.deepEqual(
    config.rules.map(({ action }) => action),
    ["deny", "allow"],
  );
  assert.deepEqual(config.bandwidth, { channels: [], otherChannels: 0 });
  assert.deepEqual([...byControl], ["rules", "bandwidth"]);
  assert.deepEqual(merged({ rules: [] }).config.rules, [], "none is something else than nothing said");
});

test("of an interface each entry that is said takes the place of the file's, the others stay", () => {
  const { config, byControl } = merged({
    downstreams: [{ interface: "lan", deny: [], maxGroupsPerHost: 9, portBandwidth: 500, staticGroups: [] }],
  });
  const [lan, wifi] = config.downstreams;
  assert.deepEqual(
    [lan?.deny, lan?.maxGroupsPerHost, lan?.portBandwidth, lan?.staticGroups, lan?.joinsPerSecond, lan?.maxGroups],
    [[], 9, 500, [], 10, 100],
  );
  assert.deepEqual(wifi, FILE.downstreams[1]);
  const entries = ["deny", "maxGroupsPerHost", "portBandwidth", "staticGroups"];
  assert.deepEqual(
    [...byControl],
    entries.map((entry) => `downstreams.lan.${entry}`),
  );
});

test("an uplink's bandwidth is the policy's, in either form of the file and of the policy", () => {
  const uplink = { interface: "wan", bandwidth: 7 };
  for (const file of [FILE, configured({ upstream: undefined, upstreams: [{ interface: "wan", bandwidth: 1000 }] })])
    for (const value of [{ upstream: uplink }, { upstreams: [uplink] }]) {
      const { config, byControl } = inForce(file, policy(value));
      assert.deepEqual([config.upstream, ...config.upstreams].find((one) => one !== undefined)?.bandwidth, 7);
      assert.deepEqual([...byControl], ["upstreams.wan.bandwidth"]);
    }
  assert.equal(merged({ upstream: { interface: "wan" } }).config.upstream?.bandwidth, 1000);
});

test("what bounds the router's memory stays the file's where the policy gives more, and is remarked", () => {
  const more = { maxGroups: 101, maxSources: 65, maxHostMemberships: 100_001, maxSourcesPerInterface: 65_537 };
  const { config, byControl, remarks } = merged({ downstreams: [{ interface: "lan", ...more, joinsPerSecond: 9999 }] });
  const [lan] = config.downstreams;
  assert.deepEqual(
    [lan?.maxGroups, lan?.maxSources, lan?.maxHostMemberships, lan?.maxSourcesPerInterface, lan?.joinsPerSecond],
    [100, 64, 100_000, 65_536, 9999],
  );
  assert.deepEqual([...byControl], ["downstreams.lan.joinsPerSecond"]);
  assert.equal(remarks.length, 4);
  assert.equal(remarks[0], "downstreams.lan.maxGroups: 101 is more than the file's 100, which stays the bound");
  const less = merged({ downstreams: [{ interface: "lan", maxGroups: 99, maxSources: 64 }] });
  assert.deepEqual([less.config.downstreams[0]?.maxGroups, less.remarks], [99, []]);
});

test("interfaces that the router has not are named with their place and with those that it has", () => {
  const rules = [
    { action: "deny", interface: "lan" },
    { action: "deny", interface: "eth9" },
  ];
  assert.deepEqual(
    faults({ rules, upstreams: [{ interface: "lan" }], downstreams: [{ interface: "wan" }, { interface: "wifi" }] }),
    [
      "rules.1.interface: this router has no downstream eth9; it has lan, wifi",
      "downstreams.0.interface: this router has no downstream wan; it has lan, wifi",
      "upstreams.0.interface: this router has no upstream lan; it has wan",
    ],
  );
  const alone = configured({ upstream: undefined });
  assert.deepEqual(faults({ upstream: { interface: "wan" } }, alone), [
    "upstream.interface: this router has no upstream wan; it has none",
  ]);
});

test("a limit of bandwidth needs to know what channels need, from either of the two", () => {
  const file = configured({ upstream: { interface: "wan" }, bandwidth: {} });
  const limit = { downstreams: [{ interface: "lan", bandwidth: 500 }] };
  assert.match(faults(limit, file)[0] ?? "", /^bandwidth: `bandwidth` has to say what channels need/);
  assert.deepEqual(faults({ ...limit, bandwidth: { otherChannels: 1 } }, file), []);
  assert.deepEqual(faults(limit), []);
  assert.match(faults({ bandwidth: {} })[0] ?? "", /^bandwidth: /, "the file's uplink is limited");
});
