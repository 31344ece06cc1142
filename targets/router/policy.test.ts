// A policy is what a configuration may say of the same entries, and the faults of both are the same.
import assert from "node:assert/strict";
import { test } from "node:test";
import { POLICY_LIMIT } from "../../core/control/messages.ts";
import { checkConfig } from "../shared/config.ts";
import { routerConfig } from "./config.ts";
import { faultText, policyText, readPolicy } from "./policy.ts";

const faults = (policy: unknown): readonly string[] => {
  const checked = readPolicy(JSON.stringify(policy));
  return checked.ok ? [] : checked.faults.map(faultText);
};

/** The faults of a router's file with these entries. */
const ofFile = (entries: object): readonly string[] => {
  const checked = checkConfig(routerConfig, { id: "r", upstream: { interface: "wan" }, ...entries }, []);
  return checked.ok ? [] : checked.faults.map(faultText);
};

const WRONG = {
  rules: [
    { action: "forbid" },
    { action: "deny", host: "lan1", groups: [] },
    { action: "preview", preview: { seconds: 0 } },
    { action: "allow", colour: "red" },
  ],
  bandwidth: { channels: [{ groups: ["10.0.0.0/8"], kbitPerSecond: 0 }], otherChannels: -1 },
  downstreams: [
    {
      interface: "br/lan",
      allow: ["239.1.1.1/33"],
      deny: "239.1.1.1",
      maxGroups: 0,
      maxSources: 63,
      maxHostMemberships: 1.5,
      maxGroupsPerHost: 0,
      maxGroupsPerPort: "8",
      maxSourcesPerInterface: 1,
      maxSourcesPerHost: 0,
      maxSourcesPerPort: 0,
      joinsPerSecond: 0,
      newHostsPerMinute: 0,
      newHostsPerMinutePerPort: 0,
      bandwidth: 0,
      portBandwidth: -1,
      staticGroups: [{ group: "239.1.0.0/16" }, { group: "232.1.1.1" }],
      frobnicate: 1,
    },
  ],
};

test("what is wrong in a file is wrong in a policy, at the same path and in the same words", () => {
  const told = faults(WRONG);
  assert.ok(told.length > 20, told.join("\n"));
  assert.deepEqual([...told].sort(), [...ofFile(WRONG)].sort());
});

const WHOLE = {
  rules: [
    { action: "deny", interface: "br-lan", host: "02:00:5e", groups: ["239.1.9.0/24"], sources: ["10.1.0.0/16"] },
  ],
  bandwidth: { channels: [{ groups: ["239.1.0.0/16"], kbitPerSecond: 4000 }], otherChannels: 1000 },
  upstreams: [{ interface: "wan", bandwidth: 50_000 }],
  downstreams: [
    {
      interface: "br-lan",
      allow: [],
      maxGroupsPerHost: 4,
      portBandwidth: 20_000,
      staticGroups: [{ group: "239.1.1.1" }],
    },
  ],
};

test("a whole policy is taken; what it does not say has no default; an empty one says nothing", () => {
  assert.deepEqual(faults(WHOLE), []);
  const [checked, empty] = [WHOLE, {}].map((one) => readPolicy(JSON.stringify(one)));
  assert.ok(checked?.ok && empty?.ok);
  assert.deepEqual(Object.keys(checked.config.downstreams[0] ?? {}), Object.keys(WHOLE.downstreams[0] ?? {}));
  assert.deepEqual([empty.config.rules, empty.config.downstreams], [undefined, []]);
});

test("entries of a file that control has no say in are named as strangers", () => {
  for (const [entry, value] of Object.entries({ id: "r", forwarding: "none", takeover: 0, hal: {}, policy: {} }))
    assert.deepEqual(faults({ [entry]: value }), [`${entry}: is not an entry of this configuration`]);
  for (const entry of ["version", "leave", "forwarder", "snooping", "queryInterval"])
    assert.deepEqual(faults({ downstreams: [{ interface: "br-lan", [entry]: 1 }] }), [
      `downstreams.0.${entry}: is not an entry of this configuration`,
    ]);
  assert.deepEqual(faults({ upstream: { interface: "wan", linger: 1 } }), [
    "upstream.linger: is not an entry of this configuration",
  ]);
});

test("what is enforced is checked as in a file, but may be nothing, and where it is kept is the file's", () => {
  const enforce = { groups: ["239.1.0.0/16"], afterwards: "closed", stands: 60, refresh: 30, ports: false };
  assert.deepEqual(faults({ enforce }), []);
  assert.deepEqual(faults({ enforce: { groups: [], afterwards: "open" } }), []);
  assert.deepEqual(faults({ enforce: { ...enforce, refresh: 31 } }), [
    "enforce: `refresh` must be at most half of `stands`",
  ]);
  assert.deepEqual(faults({ enforce: { ...enforce, file: "x" } }), [
    "enforce.file: is not an entry of this configuration",
  ]);
});

test("an interface is said something of once, upstream or down", () => {
  const twice = "(root): an interface is named twice";
  assert.deepEqual(faults({ upstream: { interface: "a" }, upstreams: [{ interface: "a" }] }), [twice]);
  assert.deepEqual(faults({ upstream: { interface: "a" }, downstreams: [{ interface: "a" }] }), [twice]);
});

test("what is no JSON, or no object of it, is a fault in words", () => {
  for (const text of ["", "{", "[]", "null", "7", '"rules"', '{"rules":[}'])
    assert.equal(readPolicy(text).ok, false, text);
});

test("as many rules as a file may have, no more; deep nesting is a fault and no overflow", () => {
  const many = (length: number) => ({ rules: Array.from({ length }, () => ({ action: "deny" })) });
  assert.deepEqual(faults(many(1024)), []);
  assert.match(faults(many(1025))[0] ?? "", /^rules: /);
  const deep = `{"rules":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  assert.equal(readPolicy(deep).ok, false);
});

test("its one form is ASCII without blanks, reads back the same, and is bounded", () => {
  const text = JSON.stringify({ rules: [{ action: "deny", interface: "brücke" }] }, undefined, 4);
  const plain = policyText(text);
  assert.equal(plain, '{"rules":[{"action":"deny","interface":"br\\u00fccke"}]}');
  assert.deepEqual(readPolicy(String(plain)), readPolicy(text));
  const groups = Array.from({ length: 256 }, (_, n) => `239.1.${n}.0/24`);
  const long = { rules: Array.from({ length: 100 }, () => ({ action: "deny", groups })) };
  assert.deepEqual(faults(long), []);
  const fault = policyText(JSON.stringify(long));
  assert.ok(typeof fault !== "string");
  assert.match(fault.message, new RegExp(`^takes \\d+ characters, and ${POLICY_LIMIT} fit$`));
});
