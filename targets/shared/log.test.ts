// The log of a process of its own, whose writes are seen.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

/** Runs `script` with a logger `log`; what each write to standard output had in it. */
function writesOf(script: string): readonly string[] {
  const program = `
    const { default: fs } = await import("node:fs");
    const write = fs.writeSync;
    fs.writeSync = (descriptor, text) => write(2, JSON.stringify({ descriptor, text: String(text) }) + "\\n") && text.length;
    const { createLogger } = await import("./build/targets/shared/log.js");
    const log = createLogger({ level: "info", format: "json", toStderr: false }, "test", "one");
    ${script}`;
  const { stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
  return stderr
    .trim()
    .split("\n")
    .map((line) => {
      const { descriptor, text } = JSON.parse(line);
      assert.equal(descriptor, 1);
      return text;
    });
}

const messagesOf = (text: string): readonly string[] =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).msg);

test("the lines of one turn of the event loop leave in one write, those of the next in another", () => {
  const writes = writesOf(
    `for (const text of ["a", "b", "c"]) log.info(text); setImmediate(() => setImmediate(() => log.info("d")));`,
  );
  assert.deepEqual(writes.map(messagesOf), [["a", "b", "c"], ["d"]]);
});

test("the last line before an exit arrives", () => {
  assert.deepEqual(
    writesOf(`setImmediate(() => { log.info("a"); log.fatal("the end"); process.exit(3); });`).map(messagesOf),
    [["a", "the end"]],
  );
});

test("the last line before an exception that nobody catches arrives", () => {
  const program = `log.info("before"); process.on("uncaughtException", () => process.exit(70)); throw new Error("a mistake");`;
  assert.deepEqual(writesOf(program).map(messagesOf), [["before"]]);
});

test("many lines of one turn are not kept until its end, and none is lost", () => {
  const writes = writesOf(`for (let n = 0; n < 2000; n++) log.info(String(n));`);
  assert.ok(writes.length > 5, `${writes.length} writes`);
  assert.deepEqual(
    writes.flatMap(messagesOf),
    Array.from({ length: 2000 }, (_, n) => String(n)),
  );
});
