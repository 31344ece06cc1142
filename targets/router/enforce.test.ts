// Who receives when control is away: over a restart, and who is new.
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import type { EvidenceLog } from "../../core/ports/evidence-log.ts";
import { SimulatedEnforcement } from "../../hal/enforcement/simulated.ts";
import { MemoryEvidenceLog } from "../../hal/evidence/memory.ts";
import type { Control } from "./service.ts";
import { CHANNEL, simulatedRouter } from "./simulated.testkit.ts";

const CONTROL = {
  broker: { url: "mqtt://nowhere" },
  identity: "none",
  reception: { id: "none", publicKey: "09".padEnd(64, "0") },
};

/** Answers each question at once, until it goes away. */
class Word implements Control {
  readonly permits = new Map<string, readonly Ipv4[]>();
  isAway = false;

  inquire(macs: readonly string[], told: Parameters<Control["inquire"]>[1]): void {
    if (!this.isAway) told(macs.map((mac) => ({ mac, groups: this.permits.get(mac) ?? [] })));
  }

  add(): void {}
  policy(): void {}
  refused(): void {}
  status = (): object => ({});
  async close(): Promise<void> {}
}

async function bench(
  afterwards: "open" | "closed",
  permitLog: EvidenceLog = new MemoryEvidenceLog(),
  word = new Word(),
) {
  let guard: SimulatedEnforcement | undefined;
  const world = await simulatedRouter({
    entries: { ...CONTROL, enforce: { groups: [`${formatIpv4(CHANNEL)}/32`], afterwards } },
    platform: (_forwarding, _taps, clock) => {
      guard = new SimulatedEnforcement(clock);
      return { membershipReports: word, enforcement: guard, permitLog };
    },
  });
  const members = () => world.service.status().interfaces.flatMap(({ hosts }) => hosts.map(({ mac }) => mac));
  return { ...world, word, members, lets: (port: string) => guard?.lets(port, CHANNEL) === true };
}

test("a router that starts while control is away goes by what it said before: the viewer sees on, nobody else", async () => {
  const permitLog = new MemoryEvidenceLog();
  const before = await bench("closed", permitLog);
  before.word.permits.set(before.a.mac, [CHANNEL]);
  before.a.join();
  before.idle(15);
  assert.deepEqual(before.members(), [before.a.mac]);
  // Killed: nothing is said any more.
  const away = new Word();
  away.isAway = true;
  const { a, b, idle, members, lets, service } = await bench("closed", permitLog, away);
  assert.deepEqual([lets("lan1"), lets("lan2")], [true, false]);
  a.join();
  b.join();
  idle(100);
  assert.deepEqual(members(), [a.mac]);
  assert.deepEqual([lets("lan1"), lets("lan2")], [true, false]);
  assert.equal(service.status().enforce?.stands, true);
  idle(3600);
  assert.deepEqual([members(), lets("lan1")], [[], false], "for as long as the word would have stood");
});

test("open: a box that comes while control is away is let in within seconds, not when the last word has ceased to stand", async () => {
  const { word, a, b, idle, members, lets } = await bench("open");
  word.permits.set(a.mac, [CHANNEL]);
  a.join();
  idle(10);
  word.isAway = true;
  b.join();
  idle(2);
  assert.deepEqual([members(), lets("lan2")], [[a.mac], false], "control has a moment to answer");
  idle(8);
  assert.deepEqual([members().sort(), lets("lan2")], [[a.mac, b.mac].sort(), true]);
});
