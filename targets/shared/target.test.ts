import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonText } from "./target.ts";

test("status as JSON does nothing to a terminal, and reads back the same", () => {
  const status = { name: "\u001b[2J\u009b31m\u202eevil", list: ["two\nlines", "grüße"], none: undefined };
  const text = jsonText(status);
  assert.match(text, /^[ -~üß\n]*$/);
  assert.ok(text.includes('\n  "list": ['), "indented for a person");
  assert.deepEqual(JSON.parse(text), { name: status.name, list: status.list });
});
