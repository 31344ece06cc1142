import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { after, instant, seconds } from "../base/time.ts";
import { TrafficWatch } from "./traffic-watch.ts";

/** Seconds that each bring so many packets in, sent and failed; what was wanted done, with the second in front. */
function watched(...spans: readonly (readonly [seconds: number, taken: number, sent: number, failed: number])[]) {
  const total = { taken: 0, sent: 0, failed: 0 };
  const watch = new TrafficWatch(
    { traffic: () => ({ ...total }), silence: seconds(5) },
    new SeededEntropy(1),
    instant(0),
  );
  const log: string[] = [];
  let now = instant(0);
  for (const [span, taken, sent, failed] of spans)
    for (let i = 0; i < span; i++) {
      total.taken += taken;
      total.sent += sent;
      total.failed += failed;
      now = after(now, seconds(1));
      assert.equal(watch.nextDeadline(), now);
      for (const effect of watch.poll(now))
        log.push(
          `${now / 1000} ${effect.kind === "reopen" ? `reopen ${effect.end}` : `${effect.alarm} ${effect.raised}`}`,
        );
    }
  return { log, silentFor: watch.silentFor(now) };
}

test("a stream that comes in and gets out is nothing to say; neither is one that has not begun to be sent", () => {
  assert.deepEqual(watched([60, 100, 100, 0]), { log: [], silentFor: 0 });
  assert.deepEqual(watched([60, 100, 0, 0]).log, []);
});

test("packets that cannot be sent: an alarm within a second, the socket opened anew at once, after 1 s, 2, 4 ... 30 s", () => {
  const { log } = watched([1, 10, 10, 0], [100, 10, 0, 10]);
  const times = [2, 3, 5, 9, 17, 33, 63, 93];
  assert.deepEqual(log, ["2 output-failing true", ...times.map((at) => `${at} reopen output`)]);
});

test("the alarm is over when it has worked for 3 s; the next one begins with short waits only if it lasted", () => {
  const failing = [3, 10, 0, 10] as const;
  const { log } = watched(failing, [3, 10, 10, 0], failing, [40, 10, 10, 0], failing);
  assert.deepEqual(log, [
    "1 output-failing true",
    "1 reopen output",
    "2 reopen output",
    "7 reopen output",
    "13 output-failing false",
    "50 output-failing true",
    "50 reopen output",
    "51 reopen output",
  ]);
});

test("a few that fail are counted elsewhere; half of them is an alarm", () => {
  assert.deepEqual(watched([60, 10, 9, 1]).log, []);
  assert.deepEqual(watched([1, 10, 5, 5]).log, ["1 output-failing true", "1 reopen output"]);
});

test("a silent input: an alarm after 5 s and opened anew then, and after 15 s, 30 ... 120 s; over when packets come", () => {
  const { log, silentFor } = watched([2, 1, 1, 0], [200, 0, 0, 0], [4, 1, 1, 0]);
  assert.deepEqual(log, [
    "7 input-silent true",
    ...[7, 22, 52, 112].map((at) => `${at} reopen input`),
    "206 input-silent false",
  ]);
  assert.equal(silentFor, 0);
});

test("an input that need not speak is never silent", () => {
  const watch = new TrafficWatch(
    { traffic: () => ({ taken: 0, sent: 0, failed: 0 }) },
    new SeededEntropy(1),
    instant(0),
  );
  for (let s = 1; s < 100; s++) assert.deepEqual(watch.poll(after(instant(0), seconds(s))), []);
});
