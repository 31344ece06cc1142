import assert from "node:assert/strict";
import { test } from "node:test";
import { instant } from "../base/time.ts";
import { CALENDAR, CountingEntropy } from "../control/servers.testkit.ts";
import { Channels } from "./channels.ts";
import { KeyServerCounts } from "./counts.ts";
import { HEADEND, proposal, report } from "./keys.testkit.ts";

const NOW = instant(0);
const FROM = { peer: HEADEND, request: undefined };

function made(limit: number): { readonly channels: Channels; readonly counts: KeyServerCounts } {
  const counts = new KeyServerCounts();
  const surroundings = { calendar: CALENDAR, entropy: new CountingEntropy(), headend: () => HEADEND };
  return { channels: new Channels(surroundings, counts, limit, []), counts };
}

/** Puts epochs 1 and 2 of channel "one" on disk, of which 2 is in use: 1 is to be erased two seconds later. */
function inUse(channels: Channels): void {
  for (const epoch of [1, 2]) {
    const effects = channels.getOrBegin("one")?.receive(NOW, FROM, proposal(epoch, { switchIn: 0 })) ?? [];
    for (const effect of channels.applied(effects))
      if (effect.kind === "commit") channels.committed(NOW, effect.channel, effect.then);
  }
  channels.applied(channels.get("one")?.receive(NOW, FROM, report(60, 2)) ?? []);
}

test("a channel is begun once, and none beyond the limit", () => {
  const { channels } = made(1);
  const one = channels.getOrBegin("one");
  assert.equal(channels.getOrBegin("one"), one);
  assert.equal(channels.getOrBegin("two"), undefined);
  assert.equal(channels.size, 1);
});

test("the next deadline follows every change of a channel", () => {
  const { channels } = made(2);
  assert.equal(channels.nextDeadline(), undefined);
  inUse(channels);
  assert.equal(channels.nextDeadline(), 2_000);
  assert.deepEqual(channels.poll(instant(1_999)), []);
  const [commit] = channels.poll(instant(2_000));
  assert.ok(commit?.kind === "commit");
  assert.equal(channels.nextDeadline(), undefined, "on its way to disk");
  assert.deepEqual(channels.failed(instant(2_000), commit.channel, commit.then), []);
  assert.equal(channels.nextDeadline(), 2_700);
});

test("a drop is counted, and so is a store that failed", () => {
  const { channels, counts } = made(2);
  assert.deepEqual(channels.applied("keys.epoch-unknown"), []);
  channels.failed(NOW, "one", { kind: "erased" });
  assert.deepEqual(counts.snapshot().drops, { "keys.epoch-unknown": 1, "keys.store": 1 });
});
