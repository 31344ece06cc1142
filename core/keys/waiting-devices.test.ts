import assert from "node:assert/strict";
import { test } from "node:test";
import { instant } from "../base/time.ts";
import type { Request } from "../control/mailbox.ts";
import { BOX, keyRequest, stop } from "./keys.testkit.ts";
import { BegunReceptions, isRequestOf, type RequestOf, WaitingDevices } from "./waiting-devices.ts";

const asked = (id: number): RequestOf<"key.request"> =>
  ({ from: BOX, message: keyRequest(id) }) as RequestOf<"key.request">;

test("a request is told from another by its message", () => {
  const request = { from: BOX, message: stop } as Request;
  assert.deepEqual([isRequestOf(request, "stop"), isRequestOf(request, "key.request")], [true, false]);
});

test("of one name's copies the newest four wait, and are taken together, oldest first", () => {
  const waiting = new WaitingDevices<"key.request">();
  assert.equal(waiting.join("a", asked(1)), false, "nothing to join");
  waiting.add("a", asked(1));
  for (const id of [2, 3, 4, 5]) assert.equal(waiting.join("a", asked(id)), true);
  assert.equal(waiting.size, 1);
  assert.deepEqual(
    waiting.take("a").map(({ message }) => message.id[0]),
    [2, 3, 4, 5],
  );
  assert.deepEqual([waiting.has("a"), waiting.size, waiting.take("a").length], [false, 0, 0]);
});

test("a device begins 32 receptions at once and one more a second; another device is not hindered", () => {
  const begun = new BegunReceptions();
  for (let n = 0; n < 32; n++) assert.equal(begun.admit(instant(0), "box", `${n}`), true);
  assert.equal(begun.admit(instant(0), "box", "32"), false);
  assert.equal(begun.admit(instant(0), "other", "32"), true);
  assert.equal(begun.admit(instant(1_000), "box", "32"), true);
  assert.equal(begun.admit(instant(1_000), "box", "33"), false);
});

test("of the receptions that a device has begun the latest sixteen cost nothing when they are named again", () => {
  const begun = new BegunReceptions();
  for (let n = 0; n < 32; n++) begun.admit(instant(0), "box", `${n}`);
  assert.equal(begun.admit(instant(0), "box", "16"), true);
  assert.equal(begun.admit(instant(0), "box", "15"), false);
});
