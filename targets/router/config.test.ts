import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { address } from "../../core/base/ipv4.ts";
import { routerConfig, snooped } from "./config.ts";

const least = { id: "r", downstreams: [{ interface: "br-lan" }] };
const faults = (more: object): string[] => {
  const checked = v.safeParse(routerConfig, { ...least, ...more });
  return (checked.issues ?? []).map((issue) => `${v.getDotPath(issue) ?? ""}: ${issue.message}`);
};

test("one downstream is enough; the rest has defaults", () => {
  const config = v.parse(routerConfig, least);
  const [lan] = config.downstreams;
  assert.deepEqual(
    [lan?.version, lan?.leave, lan?.forwarder, lan?.maxQueryInterval, config.forwarding, config.taps, config.idle],
    [3, "mac-based", "always", 300_000, "kernel", true, 180_000],
  );
});

test("limits have defaults, a range, and none per port unless asked for", () => {
  const [lan] = v.parse(routerConfig, least).downstreams;
  assert.deepEqual(
    [lan?.maxHostMemberships, lan?.maxGroupsPerHost, lan?.maxGroupsPerPort, lan?.joinsPerSecond],
    [100_000, undefined, undefined, 100],
  );
  assert.deepEqual(
    [lan?.maxSourcesPerInterface, lan?.maxSourcesPerHost, lan?.maxSourcesPerPort],
    [65_536, undefined, undefined],
  );
  assert.deepEqual([lan?.newHostsPerMinute, lan?.newHostsPerMinutePerPort], [60, 30]);
  const groups = { maxHostMemberships: 0, maxGroupsPerHost: 0, maxGroupsPerPort: 0 };
  const sources = { maxSourcesPerInterface: 63, maxSourcesPerHost: 0, maxSourcesPerPort: 0 };
  const rates = { joinsPerSecond: 0, newHostsPerMinute: 0, newHostsPerMinutePerPort: 0 };
  const none = { ...groups, ...sources, ...rates };
  assert.deepEqual(
    faults({ downstreams: [{ interface: "br-lan", ...none }] }).map((fault) => fault.split(":")[0]),
    Object.keys(none).map((name) => `downstreams.0.${name}`),
  );
});

test("hosts that speak for many are named by address, prefix, MAC or its first octets", () => {
  const proxies = ["10.2.0.7", "10.2.1.0/24", "02:00:00:00:00:66", "02:00:00"];
  const [lan] = v.parse(routerConfig, { ...least, downstreams: [{ interface: "br-lan", proxies }] }).downstreams;
  assert.deepEqual(
    lan?.proxies.map((one) => (one.kind === "mac" ? one.mac : one.subnet.prefixLength)),
    [32, 24, "02:00:00:00:00:66", "02:00:00"],
  );
  assert.equal(faults({ downstreams: [{ interface: "br-lan", proxies: ["the proxy"] }] }).length, 1);
});

test("evidence waits in a bounded file, unless in memory is asked for", () => {
  assert.deepEqual(v.parse(routerConfig, least).evidence, { limit: 16_384 });
  assert.deepEqual(v.parse(routerConfig, { ...least, evidence: { file: "" } }).evidence, { file: "", limit: 16_384 });
  for (const limit of [255, 131_073]) assert.equal(faults({ evidence: { limit } }).length, 1);
});

test("a killed router leaves its routes for 10 s, for up to 300, or not at all", () => {
  assert.equal(v.parse(routerConfig, least).takeover, 10_000);
  for (const takeover of [0, 300]) assert.deepEqual(faults({ takeover }), []);
  for (const takeover of [-1, 0.5, 301]) assert.equal(faults({ takeover }).length, 1);
});

test("bridge ports are kept where it is asked for, and where nothing is routed; without taps they cannot be", () => {
  const kept = (more: object, snooping?: boolean): number =>
    snooped(v.parse(routerConfig, { ...least, ...more, downstreams: [{ interface: "br-lan", snooping }] })).length;
  assert.deepEqual(
    [kept({}), kept({}, true), kept({ forwarding: "bridge" }), kept({ forwarding: "bridge" }, false)],
    [0, 1, 1, 0],
  );
  assert.equal(faults({ taps: false, forwarding: "bridge" }).length, 1);
  assert.deepEqual(faults({ forwarding: "relay" }), []);
  assert.equal(faults({ downstreams: [{ interface: "br-lan", routerPorts: ["a b"] }] }).length, 1);
  const speaking = (snooping: boolean) => [{ interface: "br-lan", snooping, proxyReporting: true }];
  assert.deepEqual(faults({ downstreams: speaking(true) }), []);
  const [fault = ""] = faults({ downstreams: speaking(false) });
  assert.match(fault, /`proxyReporting` needs `snooping`/);
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

test("rules: hosts by address, network, MAC or maker; previews in seconds", () => {
  const { rules } = v.parse(routerConfig, {
    ...least,
    rules: [
      {
        action: "allow",
        interface: "br-lan",
        vlan: 10,
        port: "lan1",
        host: "02:00:5E:00:10:07",
        groups: ["239.1.0.0/16"],
      },
      { action: "deny", host: "10.2.0.0/24", sources: ["10.9.0.0/16"] },
      { action: "preview", host: "02:00:5e", preview: { seconds: 120 } },
    ],
  });
  const basic = { group: address("239.1.0.0"), length: 16 };
  const subnet = { address: address("10.2.0.0"), prefixLength: 24 };
  const mac = (text: string) => ({ kind: "mac", mac: text });
  assert.deepEqual(rules, [
    { action: "allow", interface: "br-lan", vlan: 10, port: "lan1", host: mac("02:00:5e:00:10:07"), groups: [basic] },
    { action: "deny", host: { kind: "subnet", subnet }, sources: [{ address: address("10.9.0.0"), prefixLength: 16 }] },
    { action: "preview", host: mac("02:00:5e"), preview: { watch: 120_000, perDay: 1, pause: 0 } },
  ]);
});

test("rules that say nothing clear are faults with their path", () => {
  const rules = [
    { action: "forbid" },
    { action: "deny", host: "lan1" },
    { action: "deny", groups: [] },
    { action: "allow", preview: { seconds: 1 } },
    { action: "preview" },
    { action: "preview", preview: { seconds: 0, perDay: 0, pause: -1 } },
    { action: "deny", vlan: 4095 },
  ];
  const paths = faults({ rules }).map((fault) => fault.split(":")[0]);
  assert.deepEqual(paths, [
    "rules.0.action",
    "rules.1.host",
    "rules.2.groups",
    "rules.3.preview",
    "rules.4.preview",
    "rules.5.preview.seconds",
    "rules.5.preview.perDay",
    "rules.5.preview.pause",
    "rules.6.vlan",
  ]);
  const [stranger] = faults({ rules: [{ action: "deny", interface: "eth9" }] });
  assert.match(stranger ?? "", /`rules` names an interface that is not among `downstreams`/);
});

test("a limit of bandwidth needs to know what channels need", () => {
  const downstreams = [{ interface: "br-lan", portBandwidth: 20_000 }];
  assert.match(faults({ downstreams })[0] ?? "", /`bandwidth` has to say what channels need/);
  assert.deepEqual(faults({ downstreams, bandwidth: { otherChannels: 8000 } }), []);
  assert.match(faults({ upstream: { interface: "wan", bandwidth: 1 } })[0] ?? "", /what channels need/);
});

test("static groups: one group each, once, and of the source-specific range with sources", () => {
  const of = (...staticGroups: object[]) => faults({ downstreams: [{ interface: "br-lan", staticGroups }] });
  assert.deepEqual(of({ group: "239.1.1.1" }, { group: "232.1.1.1", sources: ["10.1.0.2"] }), []);
  assert.match(of({ group: "239.1.0.0/16" })[0] ?? "", /a multicast group such as/);
  assert.match(of({ group: "232.1.1.1" })[0] ?? "", /needs `sources`/);
  assert.match(of({ group: "239.1.1.1" }, { group: "239.1.1.1" })[0] ?? "", /named twice/);
});

test("enforce needs the way to control, groups, and what to do without its word; it asks twice while a word stands", () => {
  const control = {
    broker: { url: "mqtt://broker" },
    identity: "/etc/sealcast/router.identity",
    reception: { id: "reception-server", publicKey: "09".padEnd(64, "0") },
  };
  const enforce = { groups: ["239.1.0.0/16"], afterwards: "open" };
  const { enforce: given } = v.parse(routerConfig, { ...least, ...control, enforce });
  assert.deepEqual([given?.stands, given?.refresh, given?.afterwards, given?.ports], [3_600_000, 60_000, "open", true]);
  assert.match(faults({ enforce })[0] ?? "", /`enforce` needs/);
  const paths = (more: object) => faults({ ...control, enforce: { ...enforce, ...more } });
  assert.match(paths({ stands: 100 })[0] ?? "", /at most half of `stands`/);
  assert.match(paths({ groups: [] })[0] ?? "", /^enforce.groups/);
  assert.match(paths({ afterwards: "maybe" })[0] ?? "", /^enforce.afterwards/);
  assert.match(paths({ stands: 9 })[0] ?? "", /^enforce.stands/);
  assert.match(paths({ refresh: 0 })[0] ?? "", /^enforce.refresh/);
});

test("who may ask, and which groups are source-specific, are prefixes; what is none is a fault with its path", () => {
  const lan = { interface: "br-lan", queriers: ["10.2.0.0/24", "10.3.0.1"], sourceSpecific: ["239.232.0.0/16"] };
  const [one] = v.parse(routerConfig, { id: "r", downstreams: [lan] }).downstreams;
  assert.deepEqual(one?.queriers, [
    { address: address("10.2.0.0"), prefixLength: 24 },
    { address: address("10.3.0.1"), prefixLength: 32 },
  ]);
  assert.deepEqual(one?.sourceSpecific, [{ address: address("239.232.0.0"), prefixLength: 16 }]);
  const wrong = {
    queriers: ["10.2.0.0/33", "lan", "10.2.0.0/"],
    querierPorts: ["a/b"],
    sourceSpecific: ["10.0.0.0/8"],
  };
  assert.deepEqual(
    faults({ downstreams: [{ interface: "br-lan", ...wrong }] }).map((fault) => fault.split(":")[0]),
    ["queriers.0", "queriers.1", "queriers.2", "querierPorts.0", "sourceSpecific.0"].map((at) => `downstreams.0.${at}`),
  );
});

test("how long a link may be away, how soon a start is answered, what another querier may tell: within their ranges", () => {
  const at = (more: object): string[] => faults({ downstreams: [{ interface: "br-lan", ...more }] });
  assert.deepEqual(at({ flapGrace: 0, startupResponse: 0.1, maxQueryInterval: 31_744, checksum: "link" }), []);
  assert.deepEqual(at({ startupResponse: 0 }), ["downstreams.0: times.startup-response"]);
  for (const wrong of [
    { flapGrace: -1 },
    { maxQueryInterval: 0 },
    { leave: "off" },
    { forwarder: "never" },
    { checksum: "no" },
  ])
    assert.equal(at(wrong).length, 1, JSON.stringify(wrong));
});
