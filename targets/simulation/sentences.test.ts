// Log lines are for people: what happened stands in the message as words, ids and numbers stand beside it as fields.
import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "./run.testkit.ts";

/** Words of a process's life that scripts wait for. */
const WORDS = new Set(["running", "stopped"]);

const isSentence = (message: string): boolean => WORDS.has(message) || /^\p{L}[\p{L}',:;-]* \S/u.test(message);

/** Messages of the JSON lines in a run's log. */
const messagesIn = (log: string): readonly string[] =>
  [...log.matchAll(/ (\{"level":.*\})$/gm)].map(([, line = ""]) => String((JSON.parse(line) as { msg?: unknown }).msg));

test("whatever a run of the whole system logs is a sentence, not an id, a number or an event's name", async () => {
  const messages = new Set(messagesIn(await run(7)));
  assert.ok(messages.size > 15, `${messages.size} different messages`);
  assert.deepEqual(
    [...messages].filter((message) => !isSentence(message)),
    [],
  );
  for (const what of [/^the key of epoch \d+ is granted$/, /^the stop of reception [0-9a-f]{32} is acknowledged$/])
    assert.ok(
      [...messages].some((message) => what.test(message)),
      `${what}`,
    );
});

test("an id, a number and an event's name are no sentences", () => {
  for (const message of ["1", "9f0c2a".repeat(4), "joined", "settop.busy", "undefined", ""])
    assert.equal(isSentence(message), false, message);
});
