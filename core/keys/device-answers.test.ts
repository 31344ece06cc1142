import assert from "node:assert/strict";
import { test } from "node:test";
import { instant, unixTime } from "../base/time.ts";
import { DENIALS, type Denial } from "../control/messages.ts";
import { CALENDAR, CountingEntropy } from "../control/servers.testkit.ts";
import { ChannelKeys } from "./channel.ts";
import { busy, denial, grant, stopAcknowledgement } from "./device-answers.ts";
import { HEADEND, keyRequest, proposal, report, stop } from "./keys.testkit.ts";

const NOW = instant(0);
const UNIX = unixTime(1e12);

/** With these epochs announced, the first in use. */
function channelWith(...epochs: readonly number[]): ChannelKeys {
  const keys = new ChannelKeys("one", {
    calendar: CALENDAR,
    entropy: new CountingEntropy(),
    headend: () => HEADEND,
  });
  const from = { peer: HEADEND, request: undefined };
  for (const epoch of epochs) {
    const [commit] = keys.receive(NOW, from, proposal(epoch, { switchIn: epoch === epochs[0] ? 0 : 1_000 }));
    assert.ok(typeof commit === "object" && commit.kind === "commit");
    keys.committed(NOW, commit.then);
  }
  return keys;
}

test("a grant carries the epochs up to the one that was asked about, and the position once it is known", () => {
  const keys = channelWith(1, 2);
  const upTo = (asked: number) => grant(NOW, UNIX, keyRequest(20), keys, asked);
  assert.deepEqual(
    upTo(1)?.epochs.map(({ epoch }) => epoch),
    [1],
  );
  assert.deepEqual(
    upTo(2)?.epochs.map(({ epoch }) => epoch),
    [1, 2],
  );
  assert.equal(upTo(2)?.current, 1);
  assert.equal(upTo(2)?.position, undefined);
  keys.receive(NOW, { peer: HEADEND, request: undefined }, report(60, 1, 3, 4));
  assert.deepEqual(upTo(2)?.position, { roc: 3, seq: 4, age: 0 });
});

test("there is no grant while the channel has no epoch, or none as old as the one that was asked about", () => {
  assert.equal(grant(NOW, UNIX, keyRequest(20), channelWith(), 1), undefined);
  assert.equal(grant(NOW, UNIX, keyRequest(20), channelWith(2), 1), undefined);
});

test("every denial has words for the person at the set-top", () => {
  for (const reason of Object.keys(DENIALS) as Denial[]) {
    assert.deepEqual(denial(keyRequest(20), reason), {
      type: "key.denied",
      id: keyRequest(20).id,
      channel: "one",
      reason,
      text: DENIALS[reason],
    });
  }
});

test("who is sent away comes back sooner for a missing epoch than for a silent server, and latest under load", () => {
  const after = (["no-epoch", "reception-server", "load"] as const).map(
    (reason) => busy(keyRequest(20), reason, new CountingEntropy()).retryAfter,
  );
  assert.deepEqual(after, [750, 1_500, 3_000]);
});

test("an acknowledgement names the stop and its reception", () => {
  const { id, channel, reception } = stop;
  assert.deepEqual(stopAcknowledgement(stop), { type: "stop.acknowledged", id, channel, reception });
});
