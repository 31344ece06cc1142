import assert from "node:assert/strict";
import { test } from "node:test";
import { readPresence, writePresence } from "./presence.ts";

const text = (payload: Uint8Array): string => new TextDecoder().decode(payload);
const bytes = (said: string): Uint8Array => new TextEncoder().encode(said);

test("up, stopped and lost as they were before there were alarms, and each alarm a line", () => {
  assert.equal(text(writePresence({ state: "up", alarms: [] })), "up");
  const presence = { state: "up", alarms: ["news: input-silent", "news: no-epoch"] } as const;
  assert.equal(text(writePresence(presence)), "up\nnews: input-silent\nnews: no-epoch");
  for (const one of [presence, { state: "lost", alarms: [] }, { state: "stopped", alarms: [] }] as const)
    assert.deepEqual(readPresence(writePresence(one)), one);
});

test("more alarms than are told are told as a number, and no text is longer than a line of a screen", () => {
  const alarms = Array.from({ length: 256 }, (_, i) => `channel-${i}: ${"x".repeat(500)}`);
  const payload = writePresence({ state: "up", alarms });
  const read = readPresence(payload);
  assert.equal(read?.alarms.length, 65);
  assert.equal(read?.alarms.at(-1), "and 192 more");
  assert.ok(payload.length < 64 * 170, String(payload.length));
});

test("what nobody says is nothing; what hides in a line is shown as it is", () => {
  for (const said of ["", "Up", "up ", "up\r", `up\n${"x\n".repeat(30_000)}`])
    assert.equal(readPresence(bytes(said)), undefined);
  assert.deepEqual(readPresence(bytes("up\n\u001b[2J"))?.alarms, ["\\u001b[2J"]);
  assert.equal(readPresence(bytes(`up\n${"x\n".repeat(100)}`))?.alarms.length, 65);
  assert.deepEqual(readPresence(writePresence({ state: "up", alarms: ["a\nlost"] }))?.alarms, ["a\\u000alost"]);
});
