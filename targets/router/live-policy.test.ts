// Control's policy in a running router, on a simulated network: what it changes at once, and what stands when something is wrong or away.
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatIpv4 } from "../../core/base/ipv4.ts";
import type { MembershipChange, PolicyState } from "../../core/control/messages.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { EvidenceLog } from "../../core/ports/evidence-log.ts";
import type { RefusedJoin } from "../../core/router/refused-joins.ts";
import { MemoryEvidenceLog } from "../../hal/evidence/memory.ts";
import type { Control } from "./service.ts";
import { CHANNEL, CONNECTED, DARK, simulatedRouter } from "./simulated.testkit.ts";
import type { ControlStatus } from "./status.ts";

const GROUP = formatIpv4(CHANNEL);
const ENTRIES = {
  broker: { url: "mqtt://nowhere" },
  identity: "none",
  reception: { id: "none", publicKey: "09".padEnd(64, "0") },
};

/** What control gives, and what it is told. */
class Word implements Control {
  readonly states: PolicyState[] = [];
  readonly changes: MembershipChange[] = [];
  readonly refusals: RefusedJoin[] = [];
  #heard: Parameters<Control["policy"]>[1] = () => assert.fail("nobody hears");

  policy(state: PolicyState, heard: Parameters<Control["policy"]>[1]): void {
    this.states.push(state);
    this.#heard = heard;
  }

  /** Resolves when the disk has had its time. */
  async give(revision: number, policy: object): Promise<void> {
    this.#heard(revision, JSON.stringify(policy));
    await settled();
  }

  add(change: MembershipChange): void {
    this.changes.push(change);
  }

  refused(refusal: RefusedJoin): void {
    this.refusals.push(refusal);
  }

  inquire(): void {}
  status = (): ControlStatus => CONNECTED;
  async close(): Promise<void> {}
}

/** What was asked of a disk in memory is done. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function bench(more: Readonly<Record<string, unknown>> = {}, log: EvidenceLog = new MemoryEvidenceLog()) {
  const word = new Word();
  const world = await simulatedRouter({
    entries: { ...ENTRIES, ...more },
    platform: () => ({ membershipReports: word, policyLog: log }),
  });
  const members = () => world.service.status().interfaces.flatMap(({ hosts }) => hosts.map(({ host }) => host));
  return { ...world, word, log, members, policy: () => world.service.status().policy };
}

const DENY_A = { rules: [{ action: "deny", host: "10.2.0.11" }] };

test("at its start a router tells what it has; what it is given is in force, on the disk and told", async () => {
  const { word, policy } = await bench();
  assert.deepEqual(word.states, [{ revision: 0 }]);
  assert.deepEqual(policy(), {
    revision: 0,
    since: undefined,
    remarks: [],
    refused: undefined,
    kept: "on disk",
    entries: [],
    rules: [],
  });
  await word.give(7, DENY_A);
  const { since, ...told } = word.states.at(-1) ?? assert.fail("nothing was told");
  assert.deepEqual([told, new Date(since ?? 0).toISOString()], [{ revision: 7 }, policy().since]);
  assert.deepEqual([policy().revision, policy().entries, policy().kept], [7, ["rules"], "on disk"]);
  assert.deepEqual(policy().rules, [{ rule: 1, from: "control", says: "deny all groups to 10.2.0.11" }]);
});

test("who is denied is ended by name and with evidence; who watches beside it watches on", async () => {
  const { word, a, b, run, members, why, service } = await bench();
  a.join();
  b.join();
  run(2);
  await word.give(7, DENY_A);
  run(5);
  assert.deepEqual(members(), ["10.2.0.12"]);
  assert.ok(word.changes.some(({ change, mac }) => change === "expired" && mac === a.mac));
  assert.ok(word.refusals.some(({ reason }) => reason === "policy.control-rule-1"));
  const refusal = service.status().refusals.find(({ rule }) => rule !== undefined);
  assert.deepEqual([refusal?.host, refusal?.rule, refusal?.ruleFrom], ["10.2.0.11", 1, "control"]);
  const { verdict, sentences } = await why(GROUP, "10.2.0.11");
  assert.equal(verdict, "refused");
  assert.match(sentences[0] ?? "", /rule 1 of control's `rules` decides/);
  assert.equal((await why(GROUP, "10.2.0.12")).verdict, "delivered");
});

test("what is denied to everybody is said to be, with whose rule it is, of the file and of control", async () => {
  const { word, why, run, a } = await bench({ rules: [{ action: "deny", sources: ["10.1.0.2"] }] });
  a.join();
  run(3);
  assert.match(
    (await why(GROUP, "10.2.0.11")).sentences[0] ?? "",
    /rule 1 of the file's `rules` denies it to everybody/,
  );
  await word.give(7, {
    rules: [
      { action: "allow", groups: ["239.9.9.9"] },
      { action: "deny", sources: ["10.1.0.2"] },
    ],
  });
  run(3);
  assert.match(
    (await why(GROUP, "10.2.0.11")).sentences[0] ?? "",
    /rule 2 of control's `rules` denies it to everybody/,
  );
});

test("taken back, the file's own entries hold again, and who was refused is asked and watches", async () => {
  const { word, a, run, members, policy } = await bench({ rules: [{ action: "deny", groups: ["239.9.9.9"] }] });
  a.join();
  run(2);
  await word.give(7, DENY_A);
  run(3);
  assert.deepEqual(members(), []);
  await word.give(8, {});
  run(10);
  assert.deepEqual(members(), ["10.2.0.11"]);
  assert.deepEqual([policy().revision, policy().entries], [8, []]);
  assert.deepEqual(policy().rules, [{ rule: 1, from: "file", says: "deny 239.9.9.9" }]);
});

test("limits, bandwidths and static groups are in force as they come", async () => {
  const { word, a, run, service } = await bench({ bandwidth: { otherChannels: 1000 } });
  const staticGroups = [{ group: formatIpv4(DARK) }];
  await word.give(7, { downstreams: [{ interface: "br-lan", maxGroupsPerHost: 1, bandwidth: 1500, staticGroups }] });
  run(1);
  assert.ok(service.status().upstream?.groups.includes(formatIpv4(DARK)));
  a.join();
  run(2);
  assert.ok(service.status().refusals.some(({ reason }) => reason === "policy.interface-bandwidth"));
  await word.give(8, { downstreams: [{ interface: "br-lan", maxGroupsPerHost: 1, bandwidth: 5000 }] });
  run(2);
  assert.deepEqual(service.status().upstream?.groups, [GROUP]);
});

test("what waits for the next start, as of a bridge whose ports are kept, is remarked", async () => {
  const word = new Word();
  const { service } = await simulatedRouter({
    downstream: { snooping: true },
    entries: ENTRIES,
    platform: () => ({ membershipReports: word, policyLog: new MemoryEvidenceLog() }),
  });
  await word.give(7, { downstreams: [{ interface: "br-lan", maxGroups: 9, maxGroupsPerHost: 2 }] });
  const remarks = ["downstreams.br-lan.maxGroups: the bridge's ports have it from the next start on"];
  assert.deepEqual([service.status().policy.remarks, word.states.at(-1)?.remarks], [remarks, remarks]);
});

test("a router that starts while control is away has what it was given last, before it hears anybody", async () => {
  const log = new MemoryEvidenceLog();
  const before = await bench({}, log);
  await before.word.give(7, DENY_A);
  const { word, a, b, run, members, policy } = await bench({}, log);
  a.join();
  b.join();
  run(3);
  assert.deepEqual(members(), ["10.2.0.12"]);
  assert.deepEqual([policy().revision, policy().since], [7, before.policy().since]);
  assert.equal(word.states[0]?.revision, 7);
});

const EXTRA = { rules: [{ action: "deny", interface: "eth9" }] };

test("what cannot be in force is refused in words, and what was in force stays, over a restart too", async () => {
  const log = new MemoryEvidenceLog();
  const { word, policy, service } = await bench({}, log);
  await word.give(7, DENY_A);
  const faults = ["rules.0.interface: this router has no downstream eth9; it has br-lan"];
  await word.give(9, EXTRA);
  assert.deepEqual(word.states.at(-1)?.refused, { revision: 9, faults });
  assert.deepEqual([policy().revision, policy().refused], [7, { revision: 9, faults }]);
  assert.deepEqual(service.status().warnings, [`control's policy 9 is not in force: ${faults[0]}`]);
  const again = await bench({}, log);
  assert.deepEqual([again.policy().revision, again.policy().refused], [7, undefined], "control is asked anew");
  await again.word.give(10, { colour: "red", hue: 1 });
  assert.match(
    again.service.status().warnings[0] ?? "",
    /colour: is not an entry of this configuration \(and 1 more\)/,
  );
});

test("of very many faults the first are told, and how many more there are", async () => {
  const { word } = await bench();
  await word.give(7, { rules: Array.from({ length: 50 }, () => ({ action: "forbid" })) });
  const { faults = [] } = word.states.at(-1)?.refused ?? {};
  assert.deepEqual([faults.length, faults[0]?.split(":")[0], faults[15]], [16, "rules.0.action", "and 35 more"]);
});

test("a router that is to heed its file alone tells control so; heeded again, it has what it had", async () => {
  const { word, reload, policy } = await bench();
  await word.give(7, DENY_A);
  reload({ policy: { fromControl: false } });
  assert.deepEqual([policy().revision, policy().rules], [0, []]);
  assert.deepEqual(word.states.at(-1), { revision: 0 });
  await word.give(8, DENY_A);
  assert.match(word.states.at(-1)?.refused?.faults[0] ?? "", /^policy\.fromControl: is false/);
  reload({});
  assert.deepEqual([policy().revision, policy().entries], [7, ["rules"]]);
});

test("a reload keeps what control gives, and what could not be is asked for anew", async () => {
  const { word, reload, policy } = await bench();
  await word.give(7, DENY_A);
  await word.give(8, { downstreams: [{ interface: "br-lan", bandwidth: 100 }] });
  assert.match(word.states.at(-1)?.refused?.faults[0] ?? "", /^bandwidth: `bandwidth` has to say/);
  reload({ rules: [{ action: "allow" }], bandwidth: { otherChannels: 10 } });
  assert.deepEqual([policy().revision, policy().rules[0]?.from, policy().refused], [7, "control", undefined]);
  assert.equal(word.states.at(-1)?.refused, undefined);
});

test("policy.conflict: a file that cannot go with control's policy changes nothing", async () => {
  const { word, reload, policy } = await bench({ bandwidth: { otherChannels: 10 } });
  await word.give(7, { downstreams: [{ interface: "br-lan", bandwidth: 100 }] });
  assert.throws(() => reload({ bandwidth: {} }), {
    name: "HalError",
    code: "policy.conflict",
    message: /what channels need/,
  });
  assert.deepEqual([policy().revision, policy().refused], [7, undefined]);
});

test("a kept policy that the file of a start cannot go with is not in force, and told", async () => {
  const log = new MemoryEvidenceLog();
  const before = await bench({ bandwidth: { otherChannels: 10 } }, log);
  await before.word.give(7, { downstreams: [{ interface: "br-lan", bandwidth: 100 }] });
  const { word, policy } = await bench({}, log);
  assert.deepEqual([policy().revision, policy().refused?.revision, word.states[0]?.refused?.revision], [0, 7, 7]);
});

test("a broken file is named and stops nobody", async () => {
  const fault = new HalError("policy.damaged", "it was not sound");
  const log: EvidenceLog = {
    load: () => ({ lines: [], damaged: 1, fault }),
    write: async () => {},
    commit: async () => {},
    replace: async () => {},
  };
  const { word, policy, service, a, run, members } = await bench({}, log);
  assert.equal(policy().kept, "policy.damaged");
  a.join();
  run(2);
  assert.deepEqual(members(), ["10.2.0.11"]);
  await word.give(7, { bandwidth: { otherChannels: 1 } });
  assert.deepEqual([policy().kept, service.status().warnings], ["on disk", []]);
});

test("a full disk keeps nothing from being in force; it is remarked, and what it did not take is offered again", async () => {
  const log = new MemoryEvidenceLog();
  log.failing = new HalError("policy.disk-full", "no room");
  const { word, policy, service, idle } = await bench({}, log);
  await word.give(7, DENY_A);
  const remark = "a restart while control is away would not know it (policy.disk-full)";
  assert.deepEqual([policy().revision, policy().remarks, word.states.at(-1)?.remarks], [7, [remark], [remark]]);
  assert.deepEqual(service.status().warnings, [`control's policy: ${remark}`]);
  log.failing = undefined;
  idle(61);
  await settled();
  assert.deepEqual([policy().kept, word.states.at(-1)?.remarks, log.load().lines.length], ["on disk", undefined, 1]);
});

test("without a file it is said that a restart would not know it", async () => {
  const word = new Word();
  const { service } = await simulatedRouter({ entries: ENTRIES, platform: () => ({ membershipReports: word }) });
  await word.give(7, DENY_A);
  assert.equal(service.status().policy.kept, "in memory");
  assert.match(word.states.at(-1)?.remarks?.[0] ?? "", /would not know it \(in memory\)/);
});
