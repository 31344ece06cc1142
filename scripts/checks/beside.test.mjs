// What runs beside the lab, and what it has started: at the lowest priority until the lab is done.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { Beside } from "./beside.mjs";

/** Says its own priority and that of a process it has started, once more for each line that it hears. */
const TELLER = `
  const { spawn } = require("node:child_process");
  const { getPriority } = require("node:os");
  const child = spawn("cat", { stdio: ["pipe", "ignore", "ignore"] });
  const line = require("node:net").connect(process.argv[1]);
  const tell = () => line.write(getPriority() + " " + getPriority(child.pid) + "\\n");
  child.on("spawn", tell);
  line.on("data", tell);
  line.on("end", () => { child.kill(); line.end(); });
`;

const skip = process.getuid?.() === 0 ? false : "needs root to raise a priority";
test("a step has the lowest priority, until the lab is done; a later one has the ordinary one", { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "scl-beside-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const server = createServer().listen(join(folder, "socket"));
  t.after(() => server.close());
  const beside = new Beside({ isLow: true });

  const tell = async (/** @type {() => void} */ between) => {
    const ended = beside.step("teller", process.execPath, ["-e", TELLER, join(folder, "socket")]);
    const [line] = await once(server, "connection");
    const lines = createInterface({ input: line })[Symbol.asyncIterator]();
    const first = (await lines.next()).value;
    between();
    line.write("again");
    const second = (await lines.next()).value;
    line.end();
    assert.equal(await ended, true);
    return [first, second];
  };
  assert.deepEqual(await tell(() => beside.hurry()), ["19 19", "0 0"]);
  assert.deepEqual(await tell(() => undefined), ["0 0", "0 0"]);
});
