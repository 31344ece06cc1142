import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { commandMeanwhile } from "./command.mjs";

test("a command that takes its time holds up nobody: what it asks of this very process is answered", async () => {
  const server = createServer((_, answer) => answer.end("answered"));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const asking = `fetch("http://127.0.0.1:${port}").then((answer) => answer.text()).then((text) => process.stdout.write(text))`;
  try {
    assert.equal(await commandMeanwhile(process.execPath, ["-e", asking]), "answered");
  } finally {
    server.close();
  }
});

test("a command that fails says why", async () => {
  const failing = commandMeanwhile(process.execPath, ["-e", "console.error('no such channel'); process.exit(65)"]);
  await assert.rejects(failing, /exit 65: no such channel/);
});
