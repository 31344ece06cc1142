// What every bundle has of the frame. What signals and mistakes do to a service that can hand over, and to one that cannot: a process of its own for each.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { jsonText, runTarget, type Service } from "./target.ts";

const file = fileURLToPath(import.meta.url);
const HANGS = { timeout: 20_000 };
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const LAST_WORDS = /"msg":"(stopped|handed over)"/;

/**
 * Says what is done to it. `stays`: it is still handing over when the test is at its end; `relays`: it has nothing that it could leave;
 * `starts`: it has opened all and its start is not over before a signal has come.
 */
function runService(kind: string): void {
  const service: Service<unknown> = { status: () => ({}), stop: () => say("stop") };
  const handOver = (): Promise<boolean> => {
    say("hand over");
    return kind === "stays" ? new Promise(() => {}) : Promise.resolve(kind !== "relays");
  };
  process.on("SIGUSR2", () => {
    throw new Error("a mistake of ours");
  });
  const log = v.object({ level: v.picklist(["info"]), format: v.picklist(["json"]) });
  const config = v.object({ socket: v.string(), log });
  const start = async () => {
    setInterval(() => {}, 60_000);
    if (kind === "starts") {
      say("opened");
      await new Promise((resolve) => process.once("SIGTERM", resolve).once("SIGINT", resolve).once("SIGUSR2", resolve));
    } else setTimeout(() => say("running"));
    return kind === "stops" ? service : { ...service, handOver };
  };
  void runTarget({ name: "router", summary: "", config, start }, [
    ...process.argv.slice(0, 2),
    ...["socket=", "log.level=info", "log.format=json"].flatMap((entry) => ["--set", entry]),
  ]);
}

/** What it said, the log's last word, and how it ended: `signals` one by one, each when it has said something new. */
async function ended(t: TestContext, kind: string, ...signals: readonly NodeJS.Signals[]) {
  const child = spawn(process.execPath, [file, kind], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const exited = once(child, "exit");
  const said: string[] = [];
  const rest = [...signals];
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith("{")) {
      said.push(...(LAST_WORDS.exec(line)?.slice(1) ?? []));
      continue;
    }
    said.push(line);
    const signal = rest.shift();
    if (signal !== undefined) child.kill(signal);
  }
  const [code] = (await exited) as [number | null];
  return [...said.slice(1), code];
}

if (process.argv[2] !== undefined) runService(process.argv[2]);
else {
  test("SIGTERM hands over, SIGINT stops, and what cannot hand over is stopped by both", HANGS, async (t) => {
    assert.deepEqual(await ended(t, "leaves", "SIGTERM"), ["hand over", "handed over", 0]);
    assert.deepEqual(await ended(t, "leaves", "SIGINT"), ["stop", "stopped", 0]);
    assert.deepEqual(await ended(t, "stops", "SIGTERM"), ["stop", "stopped", 0]);
    assert.deepEqual(await ended(t, "stops", "SIGINT"), ["stop", "stopped", 0]);
  });

  test("what had nothing to leave when it was to hand over is said to be stopped", HANGS, async (t) => {
    assert.deepEqual(await ended(t, "relays", "SIGTERM"), ["hand over", "stopped", 0]);
  });

  test("a signal during the start ends what that has opened, once it is over", HANGS, async (t) => {
    assert.deepEqual(await ended(t, "starts", "SIGINT"), ["stop", "stopped", 0]);
    assert.deepEqual(await ended(t, "starts", "SIGTERM"), ["hand over", "handed over", 0]);
  });

  test("a second signal while it hands over stops it, whichever it is", HANGS, async (t) => {
    for (const second of ["SIGTERM", "SIGINT"] as const)
      assert.deepEqual(await ended(t, "stays", "SIGTERM", second), ["hand over", "stop", "stopped", 0]);
  });

  test(
    "a mistake of ours neither stops nor hands over what is to outlive it; else it stops in order",
    HANGS,
    async (t) => {
      assert.deepEqual(await ended(t, "leaves", "SIGUSR2"), [70]);
      assert.deepEqual(await ended(t, "starts", "SIGUSR2"), [70]);
      assert.deepEqual(await ended(t, "stops", "SIGUSR2"), ["stop", "stopped", 70]);
    },
  );

  test("status as JSON does nothing to a terminal, and reads back the same", () => {
    const status = { name: "\u001b[2J\u009b31m\u202eevil", list: ["two\nlines", "grüße"], none: undefined };
    const text = jsonText(status);
    assert.match(text, /^[ -~üß\n]*$/);
    assert.ok(text.includes('\n  "list": ['), "indented for a person");
    assert.deepEqual(JSON.parse(text), { name: status.name, list: status.list });
  });
}
