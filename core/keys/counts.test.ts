import assert from "node:assert/strict";
import { test } from "node:test";
import type { Request } from "../control/mailbox.ts";
import { bytes } from "../control/servers.testkit.ts";
import { KeyServerCounts } from "./counts.ts";
import { BOX, keyRequest } from "./keys.testkit.ts";

test("an answer counts under its type and its reason, a drop under its name and brings nothing", () => {
  const counts = new KeyServerCounts();
  const request = { from: BOX, message: keyRequest(1) } as Request;
  const message = { type: "stop.acknowledged", id: bytes(1), channel: "one", reception: bytes(9) } as const;
  assert.deepEqual(counts.answer(request, message), { kind: "answer", request, message });
  counts.answer(request, message, "load");
  assert.deepEqual(counts.drop("keys.store"), []);
  assert.deepEqual(counts.snapshot(), { answers: { load: 1, "stop.acknowledged": 2 }, drops: { "keys.store": 1 } });
});
