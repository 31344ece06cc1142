// The router bundle while control is away: killed, started again, and what its hosts did is on record once control is there. Needs root.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Actor, act, cable, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `ev-${process.pid}`;
const [ROUTER, HOST] = [`${PREFIX}-r`, `${PREFIX}-h`];
const root = process.getuid?.() === 0;
const skip = !root ? "needs root for network namespaces" : !existsSync("dist/router.cjs") && "needs npm run build";
const folder = mkdtempSync(join(tmpdir(), "sealcast-evidence-"));
const file = (name: string): string => join(folder, name);
const settings = (...all: readonly string[]): string[] => all.flatMap((setting) => ["--set", setting]);
const node = process.execPath;

const CONTROL = settings(
  "broker.listeners.0.port=18830",
  `keyServer.identity=${file("key-server.json")}`,
  `reception.identity=${file("reception-server.json")}`,
  `store.path=${file("control.db")}`,
  `socket=${file("control.sock")}`,
);
const control = (...command: string[]): string =>
  execFileSync(node, ["dist/control.cjs", ...CONTROL, ...command], { encoding: "utf8" });

interface Row {
  readonly host: string;
  readonly group: string;
  readonly since: string;
  readonly until?: string;
  readonly cause?: string;
  readonly certainty?: string;
}

const group = (n: number): string => `239.255.77.${n}`;
const evidence = (): Row[] =>
  (JSON.parse(control("memberships", "--json")) as Row[])
    .filter((row) => row.host === "10.2.0.11" && row.group?.startsWith("239.255.77."))
    .sort((a, b) => a.since.localeCompare(b.since));

/** Tries until it is so; fails with `what` after 20 seconds. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + 20_000; !isSo(); await new Promise((resolve) => setTimeout(resolve, 50)))
    assert.ok(performance.now() < end, `waited in vain for ${what}`);
}

const LOG = "router.evidence";
const changesOnDisk = (): number =>
  existsSync(file(LOG)) ? readFileSync(file(LOG), "utf8").split('"at":').length - 1 : 0;

let routerSettings: readonly string[] = [];
const startRouter = (): Actor => act(ROUTER, node, "dist/router.cjs", ...routerSettings, "--set", "log.format=json");

/** As the kernel does it when memory runs out; children that are left would keep the namespace. */
async function kill({ process: child }: Actor): Promise<void> {
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter(Boolean);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
  for (const pid of children)
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {}
}

before(() => {
  if (skip !== false) return;
  makeNamespaces([ROUTER, HOST]);
  cable(ROUTER, "lan0", HOST, "eth0");
  ip("-n", ROUTER, "addr", "add", "10.2.0.1/24", "dev", "lan0");
  ip("-n", HOST, "addr", "add", "10.2.0.11/24", "dev", "eth0");
  ip("-n", HOST, "route", "add", "default", "via", "10.2.0.1");
  control("init");
  control("service", "add", "ev-router", "--role", "router", "--identity-out", file("router.json"));
  const reception = JSON.parse(control("peers", "router")) as { id: string; publicKey: string };
  routerSettings = settings(
    "id=ev-router",
    `socket=${file("router.sock")}`,
    "downstreams.0.interface=lan0",
    "forwarding=none",
    "taps=false",
    "broker.url=mqtt://127.0.0.1:18830",
    `identity=${file("router.json")}`,
    `reception.id=${reception.id}`,
    `reception.publicKey="${reception.publicKey}"`,
    `evidence.file=${file(LOG)}`,
  );
});

after(async () => {
  if (root) await removeNamespaces([ROUTER, HOST]);
  rmSync(folder, { recursive: true, force: true });
});

test("what hosts do while control is away is on record when it is back, once, over kill -9", { skip }, async () => {
  const host = act(HOST, node, "targets/router/lab-host.testkit.cjs", "host", "10.2.0.11", "5004");
  const first = startRouter();
  await first.saw(/"msg":"running"/, 20_000);
  for (let n = 1; n <= 5; n++) {
    const from = first.lines.length;
    host.say(`join ${group(n)}`);
    await first.saw(new RegExp(`"number":71.*"group":"${group(n)}"`), 20_000, from);
    host.say(`leave ${group(n)}`);
    await first.saw(new RegExp(`"number":81.*"group":"${group(n)}"`), 20_000, from);
  }
  host.say(`join ${group(6)}`);
  await first.saw(new RegExp(`"number":71.*"group":"${group(6)}"`), 20_000);
  await until("all of it on the disk", () => changesOnDisk() >= 11);
  await kill(first);

  const second = startRouter();
  await second.saw(new RegExp(`"number":71.*"group":"${group(6)}"`), 20_000);
  host.say(`leave ${group(6)}`);
  await second.saw(new RegExp(`"number":81.*"group":"${group(6)}"`), 20_000);
  await until("that on the disk too", () => changesOnDisk() >= 13);
  await kill(second);

  const third = startRouter();
  const server = act(ROUTER, node, "dist/control.cjs", ...CONTROL, "run");
  await server.saw(/running/, 20_000);
  await until(
    "the evidence at control",
    () => evidence().length === 7 && evidence().every((row) => row.until !== undefined),
  );
  assert.deepEqual(
    evidence().map((row) => [row.group, row.cause, row.certainty]),
    [
      ...[1, 2, 3, 4, 5].map((n) => [group(n), "left", "exact"]),
      [group(6), "restarted", "exact"],
      [group(6), "left", "exact"],
    ],
  );
  const [, , , , , killed, again] = evidence();
  assert.ok((killed?.until ?? "") <= (again?.since ?? ""), "the successor began before it heard the host again");
  await kill(third);
});
