import assert from "node:assert/strict";
import { test } from "node:test";
import type { Presence } from "../../core/control/presence.ts";
import { HalError } from "../../core/ports/errors.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import type { Logger } from "../shared/log.ts";
import { HeadendPresences } from "./headend-presences.ts";

/** With a bus whose presences the test says, and the log's lines. */
function bench(watching: Promise<void> = Promise.resolve()) {
  const lines: string[] = [];
  const line = (level: string) => (_: object, text: string) => void lines.push(`${level} ${text}`);
  const log = { warn: line("warn"), info: line("info"), debug: line("debug") } as unknown as Logger;
  const known = new Set(["studio", "other"]);
  const headends = new HeadendPresences((id) => known.has(id), { clock: new SimulatedClock(), log });
  let heard: (id: string, presence: Presence) => void = () => assert.fail("nobody watches");
  headends.watch({
    watchPresence: (_, listener) => {
      heard = listener;
      return watching;
    },
  });
  const says = (id: string, state: Presence["state"], ...alarms: string[]): void => heard(id, { state, alarms });
  return { headends, says, lines, known };
}

test("each alarm of a headend is a warning once, and a line when it is over; status has those that are raised", () => {
  const { headends, says, lines } = bench();
  says("studio", "up");
  says("studio", "up", "news: input-silent");
  says("studio", "up", "news: input-silent", "news: output-failing (datagram.send)");
  says("studio", "up", "news: output-failing (datagram.send)");
  assert.deepEqual(headends.status(), {
    studio: { state: "up", alarms: ["news: output-failing (datagram.send)"] },
  });
  says("studio", "lost");
  assert.deepEqual(lines, [
    "info headend studio is up",
    "warn headend studio: news: input-silent",
    "warn headend studio: news: output-failing (datagram.send)",
    "info headend studio: over: news: input-silent",
    "warn headend studio is lost",
  ]);
});

test("a headend that is not known, or no longer, is not remembered; one that flaps does not fill the log", () => {
  const { headends, says, lines, known } = bench();
  says("stranger", "up", "of nobody");
  says("other", "up");
  known.delete("other");
  assert.deepEqual(headends.status(), {});
  lines.length = 0;
  for (let i = 0; i < 1000; i++) says("studio", i % 2 === 0 ? "up" : "lost");
  assert.equal(lines.filter((line) => !line.startsWith("debug")).length, 16);
});

test("a broker that does not let it hear them is said in the log", async () => {
  const { lines } = bench(Promise.reject(new HalError("bus.refused", "not allowed")));
  await new Promise(setImmediate);
  assert.deepEqual(lines, ["warn alarms of headends are not heard: not allowed"]);
});
