import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address } from "../../base/ipv4.ts";
import { InterfaceRules, type Rule, type RuledInterface } from "./rules.ts";

const BASIC = { group: address("239.1.0.0"), length: 16 };
const PREMIUM = { group: address("239.1.9.0"), length: 24 };
const VIEWER = { port: "lan1", address: address("10.2.0.11"), mac: "02:00:00:00:00:11" };
const [NEWS, FILM] = [address("239.1.0.1"), address("239.1.9.1")];
const LAN: RuledInterface = { name: "lan", vlan: 7 };

const name = (rules: readonly Rule[], group = FILM, host = VIEWER, one = LAN, source = ANY) =>
  new InterfaceRules({ rules }, one).of({ host, group, source: source === ANY ? undefined : source })?.name.place;

test("the first rule that matches decides, whatever stands behind it", () => {
  const rules: Rule[] = [
    { action: "allow", groups: [PREMIUM], host: { kind: "mac", mac: VIEWER.mac } },
    { action: "deny", groups: [PREMIUM] },
    { action: "allow" },
  ];
  assert.equal(name(rules), 1);
  assert.equal(name(rules, FILM, { ...VIEWER, mac: "02:00:00:00:00:12" }), 2);
  assert.equal(name(rules, NEWS), 3);
  assert.equal(name([], NEWS), undefined);
});

const SCOPES: readonly [string, Rule, boolean][] = [
  ["its interface", { action: "deny", interface: "lan" }, true],
  ["another interface", { action: "deny", interface: "wifi" }, false],
  ["its VLAN", { action: "deny", vlan: 7 }, true],
  ["another VLAN", { action: "deny", vlan: 8 }, false],
  ["its port", { action: "deny", port: "lan1" }, true],
  ["another port", { action: "deny", port: "lan2" }, false],
  ["its MAC", { action: "deny", host: { kind: "mac", mac: "02:00:00:00:00:11" } }, true],
  ["its maker", { action: "deny", host: { kind: "mac", mac: "02:00:00" } }, true],
  ["half an octet of its maker", { action: "deny", host: { kind: "mac", mac: "02:00:0" } }, false],
  ["its address", { action: "deny", host: host("10.2.0.11", 32) }, true],
  ["its network", { action: "deny", host: host("10.2.0.0", 24) }, true],
  ["another network", { action: "deny", host: host("10.3.0.0", 24) }, false],
  ["another group", { action: "deny", groups: [{ group: NEWS, length: 32 }] }, false],
  ["one of two groups", { action: "deny", groups: [{ group: NEWS, length: 32 }, PREMIUM] }, true],
  ["a source, asked for from anybody", { action: "deny", sources: [{ address: ANY, prefixLength: 0 }] }, false],
];

function host(text: string, prefixLength: number): Rule["host"] & object {
  return { kind: "subnet", subnet: { address: address(text), prefixLength } };
}

for (const [what, rule, matches] of SCOPES) {
  test(`a rule for ${what} ${matches ? "matches" : "does not match"}`, () => {
    assert.equal(name([rule]), matches ? 1 : undefined);
  });
}

test("a fact that is not known matches no rule that asks for it", () => {
  const unknown = { port: "", address: VIEWER.address, mac: "" };
  assert.equal(name([{ action: "allow", port: "lan1" }], FILM, unknown), undefined);
  assert.equal(name([{ action: "allow", host: { kind: "mac", mac: VIEWER.mac } }], FILM, unknown), undefined);
  assert.equal(name([{ action: "allow", vlan: 7 }], FILM, VIEWER, { name: "lan" }), undefined);
});

test("a rule for a source is for those who name it", () => {
  const rule: Rule = { action: "deny", sources: [{ address: address("10.1.0.0"), prefixLength: 24 }] };
  assert.equal(name([rule], FILM, VIEWER, LAN, address("10.1.0.2")), 1);
  assert.equal(name([rule], FILM, VIEWER, LAN, address("10.9.0.2")), undefined);
});

test("allow and deny of an interface are rules behind all others: deny first, and what allow does not name is denied", () => {
  const one = { ...LAN, allow: [BASIC], deny: [PREMIUM] };
  const rules = new InterfaceRules({ rules: [{ action: "allow", groups: [{ group: FILM, length: 32 }] }] }, one);
  const of = (group: string) => rules.of({ host: VIEWER, group: address(group), source: undefined });
  assert.deepEqual([of("239.1.9.1")?.name.place, of("239.1.9.1")?.rule.action], [1, "allow"]);
  assert.deepEqual([of("239.1.9.2")?.name.place, of("239.1.9.2")?.rule.action], ["deny", "deny"]);
  assert.deepEqual([of("239.1.0.1")?.name.place, of("239.1.0.1")?.rule.action], ["allow", "allow"]);
  assert.deepEqual([of("239.2.0.1")?.name.place, of("239.2.0.1")?.rule.action], ["allow", "deny"]);
});

test("a group is denied to all only where no rule could let anybody have it", () => {
  const all = (...rules: Rule[]) => new InterfaceRules({ rules }, LAN).deniesAll(FILM, undefined) !== undefined;
  const mine = { host: { kind: "mac", mac: VIEWER.mac } } as const;
  assert.equal(all({ action: "deny" }), true);
  assert.equal(all({ action: "allow", ...mine }, { action: "deny" }), false);
  assert.equal(all({ action: "deny", ...mine }, { action: "deny" }), true);
  assert.equal(all({ action: "deny", ...mine }), false);
  assert.equal(all(), false);
  const sources = [{ address: address("10.1.0.0"), prefixLength: 24 }];
  const from = (source: string | undefined, ...rules: Rule[]) =>
    new InterfaceRules({ rules }, LAN).deniesAll(FILM, source === undefined ? undefined : address(source)) !==
    undefined;
  const ofSome: Rule[] = [{ action: "allow", sources }, { action: "deny" }];
  assert.deepEqual(
    [from(undefined, ...ofSome), from("10.1.0.2", ...ofSome), from("10.9.0.2", ...ofSome)],
    [false, false, true],
  );
  const notOfSome: Rule = { action: "deny", sources };
  assert.deepEqual(
    [from(undefined, notOfSome), from("10.1.0.2", notOfSome), from("10.9.0.2", notOfSome)],
    [false, true, false],
  );
});

test("a rule is named with who has given it, the lists of the interface apart from the rules", () => {
  const lan = { ...LAN, allow: [BASIC], deny: [PREMIUM], denyFrom: "control" } as const;
  const rules = new InterfaceRules({ rules: [{ action: "deny", port: "lan2" }], rulesFrom: "control" }, lan);
  const of = (group: string, port = "lan1") =>
    rules.of({ host: { ...VIEWER, port }, group: address(group), source: undefined })?.name;
  assert.deepEqual(of("239.1.0.1", "lan2"), { place: 1, origin: "control" });
  assert.deepEqual(of("239.1.9.1"), { place: "deny", origin: "control" });
  assert.deepEqual(of("239.1.0.1"), { place: "allow", origin: "file" });
  assert.deepEqual(rules.deniesAll(address("239.2.0.1"), undefined), { place: "allow", origin: "file" });
  assert.deepEqual(rules.deniesAll(FILM, undefined), { place: "deny", origin: "control" });
  assert.equal(rules.deniesAll(NEWS, undefined), undefined);
});
