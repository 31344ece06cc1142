// The operator's bundle as a script uses it: lists that are whole or say that they are not, and a box from its keygen to its key.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { unixTime } from "../../core/base/time.ts";
import type { Write } from "../../core/ports/store.ts";
import { openSqlite } from "../../hal/store/sqlite.ts";
import { Configured, controlConfig, isRoot, scratch } from "../failures/bundles.testkit.ts";

const RECORDS = 10_050;
const T0 = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;

/** Record n begins n minutes after T0 and lasts 90 s and n milliseconds; 50 subscribers, 7 channels. */
const usageRecord = (n: number): Write => ({
  put: "usage_record",
  row: {
    reception: n.toString(16).padStart(32, "0"),
    device: `box${n % 100}`,
    subscriber: `sub${n % 50}`,
    channel: `ch${n % 7}`,
    since: unixTime(T0 + n * 60_000),
    until: unixTime(T0 + n * 60_000 + 90_000 + n),
    cause: "stopped",
    firstEpoch: 1,
    lastEpoch: 2,
  },
});

const stillWatching: Write = {
  put: "live_reception",
  row: {
    ...{ device: "box1", channel: "ch1", reception: "f".repeat(32), subscriber: "sub1", firstEpoch: 1, epoch: 1 },
    ...{ since: unixTime(T0 + 5 * HOUR), heldUntil: unixTime(T0 + 8e12), lastSeen: unixTime(T0 + 8e12) },
  },
};

async function writeStore(path: string, writes: readonly Write[]): Promise<void> {
  const store = openSqlite({ path });
  await store.transact([
    // biome-ignore lint/correctness/useYield: needs no rows
    function* () {
      return { outcome: undefined, writes };
    },
  ]);
  await store.close();
}

const folder = scratch("operator-bundle");
const config = join(folder, "control-config.json");
const base = { socket: join(folder, "control.sock"), log: { format: "json" }, ...controlConfig(folder) };
writeFileSync(config, JSON.stringify(base));
await writeStore(join(folder, "control.db"), [
  ...Array.from({ length: RECORDS }, (_, n) => usageRecord(n)),
  stillWatching,
]);

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function run(target: string, ...args: string[]): Ran {
  const done = spawnSync(process.execPath, [`dist/${target}.cjs`, ...args], { encoding: "utf8", maxBuffer: 1 << 28 });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

const control = (...words: string[]): Ran => run("control", "--config", config, ...words);

/** A line of a shell, in which `control` is the bundle. */
function shell(line: string): Ran {
  const bundle = `control() { "${process.execPath}" dist/control.cjs --config "${config}" "$@"; }`;
  const done = spawnSync("bash", ["-c", `${bundle}; set -o pipefail; ${line}`], { encoding: "utf8" });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

interface Usage {
  readonly reception: string;
  readonly subscriber: string;
  readonly since: string;
  readonly until: string;
  readonly billedSeconds: number;
}

function usage(...words: string[]): readonly Usage[] {
  const { code, out, err } = control("usage", "--json", ...words);
  assert.equal(code, 0, err);
  return JSON.parse(out) as Usage[];
}

const milliseconds = (rows: readonly Pick<Usage, "billedSeconds">[]): number =>
  rows.reduce((sum, { billedSeconds }) => sum + Math.round(billedSeconds * 1000), 0);

const ALL = Array.from({ length: RECORDS }, (_, n) => 90_000 + n).reduce((sum, length) => sum + length, 0);

/** What an operator who bills relies on, whoever answers. */
function billing(): void {
  const rows = usage();
  assert.deepEqual(
    rows.map(({ reception }) => Number.parseInt(reception, 16)),
    Array.from({ length: RECORDS }, (_, n) => n),
    "every record, once, the oldest first",
  );
  assert.equal(milliseconds(rows), ALL);

  const table = control("usage");
  const lines = table.out.trimEnd().split("\n");
  assert.equal(lines.length, 1 + RECORDS + 2);
  assert.match(lines.at(-1) ?? "", /^total: 10050 records, 954996\.225 s \(265:16:36\.225\)$/);
  assert.match(table.err, /^1 reception runs still, in this period too, and will be on record when ended/);

  const border = new Date(T0 + 100 * HOUR).toISOString();
  const [before, after] = [usage("--until", border), usage("--since", border)];
  assert.equal(milliseconds(before) + milliseconds(after), ALL, "no second is billed twice or not at all");
  const cut = after.filter(({ since }) => since < border);
  assert.deepEqual(
    cut.map(({ reception, since, until, billedSeconds }) => [
      Number.parseInt(reception, 16),
      since < border,
      until > border,
      billedSeconds,
    ]),
    [[5_999, true, true, 35.999]],
    "the record that the border cuts is there with its own times, and the seconds of its part",
  );
  assert.equal(before.at(-1)?.billedSeconds, 60);

  const hers = usage("--subscriber", "sub7", "--channel", "ch0", "--device", "box7");
  assert.ok(hers.length > 0 && hers.length < 20);
  const sums = JSON.parse(control("usage", "--totals", "subscriber", "--json").out) as {
    records: number;
    billedSeconds: number;
  }[];
  assert.equal(sums.length, 50);
  assert.equal(milliseconds(sums), ALL);
  assert.match(control("usage", "--totals").out, /^RECORDS +BILLEDSECONDS\n10050 +954996\.225\n$/);
}

test("without a server usage is listed to its last record, cut at the borders of a period, and summed up", () => {
  billing();
});

test("a running server lists the same, and a status that is asked for meanwhile is answered", async () => {
  const server = new Configured("control", folder, controlConfig(folder));
  await server.running();
  billing();
  const listed = shell(
    "control usage --json | (read -r first; control status --json >/dev/null && echo answered; cat >/dev/null)",
  );
  assert.equal(listed.out, "answered\n", listed.err);
  assert.equal(listed.code, 0);
  assert.equal((await server.stop()).code, 0);
});

test("a reader that goes away ends the list, quietly; a list that cannot be written whole is an error", async () => {
  const server = new Configured("control", folder, controlConfig(folder));
  const look = (who: string): void => {
    const { code, out, err } = shell("control usage | head -n 2");
    assert.deepEqual([code, out.split("\n").length, err], [0, 3, ""], who);
    const full = shell("control usage > /dev/full");
    assert.equal(full.code, 74, who);
    assert.match(full.err, /stdout\.failed: standard output: .*ENOSPC.*not complete/);
  };
  await server.running();
  look("with a server");
  await server.stop();
  look("without one");
});

/** Kept all at once these rows take more than 32 MiB, page by page less than 20 (tried). */
test("a list needs no more memory for more rows", async () => {
  const many = join(folder, "many.json");
  const path = join(folder, "many.db");
  const writes = Array.from({ length: 80_000 }, (_, n) => usageRecord(n));
  await writeStore(path, writes);
  writeFileSync(many, JSON.stringify({ ...base, socket: "", store: { path } }));
  const usageOf = (file: string): number => {
    const args = ["--max-old-space-size=32", "dist/control.cjs", "--config", file, "usage", "--json"];
    const done = spawnSync(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
    return done.status ?? -1;
  };
  assert.equal(usageOf(many), 0);
});

test("/etc/sealcast/control.json is the configuration where it is there, and --config goes before it", {
  skip: !isRoot && "needs root for an /etc of its own",
}, () => {
  const etc = (line: string): Ran => {
    const inside = `mount -t tmpfs none /etc && mkdir /etc/sealcast && cp "${config}" /etc/sealcast/control.json && ${line}`;
    const done = spawnSync("unshare", ["-m", "bash", "-c", inside], { encoding: "utf8" });
    return { code: done.status, out: done.stdout, err: done.stderr };
  };
  const node = `"${process.execPath}" dist/control.cjs`;
  assert.match(etc(`${node} usage --totals`).out, /^10050 /m);
  assert.equal(etc(`${node} check-config`).out, "the configuration is right: /etc/sealcast/control.json\n");
  const other = join(folder, "other.json");
  writeFileSync(other, JSON.stringify({ ...base, socket: "", store: { path: join(folder, "other.db") } }));
  const elsewhere = etc(`${node} --config "${other}" usage`);
  assert.equal(elsewhere.code, 66);
  assert.match(elsewhere.err, new RegExp(`no store at ${folder}/other.db\n.*the configuration is ${other}`));
  assert.equal(existsSync(join(folder, "other.db")), false);
  const bad = etc(`echo '{"frobnicate":1}' > /etc/sealcast/control.json; ${node} usage`);
  assert.equal(bad.code, 78);
});

test("without any configuration a command says where it looked and makes nothing", () => {
  const elsewhere = join(folder, "nowhere");
  const { code, err } = run(
    "control",
    "--set",
    `store.path=${elsewhere}/control.db`,
    "--set",
    `socket=${elsewhere}/s`,
    "usage",
  );
  assert.equal(code, 66);
  assert.match(err, /store\.missing: there is no store at .*nowhere\/control\.db, and nobody listens on .*nowhere\/s/);
  assert.match(err, /no --config was given, and \/etc\/sealcast\/control\.json is not there/);
  assert.equal(existsSync(elsewhere), false);
});

test("a box makes its keys, the operator registers the line that it printed, and the box has its key: no file is edited", async () => {
  const at = join(folder, "chain");
  mkdirSync(at);
  const server = new Configured("control", at, controlConfig(at));
  await server.running();
  const operator = (...words: string[]): Ran => {
    const ran = run("control", "--config", server.file, ...words);
    assert.equal(ran.code, 0, ran.err);
    return ran;
  };
  for (const words of [
    "channel add one",
    "package add base one",
    "subscriber add alice",
    "subscription add alice base",
  ])
    operator(...words.split(" "));
  const identity = (who: string): string => join(at, `${who}.identity`);
  const keygen = (target: string, who: string): string => {
    const { code, out, err } = run(target, "keygen", who, identity(who));
    assert.equal(code, 0, err);
    assert.match(out, /^[0-9a-f]{64}:[0-9a-f]{64}\n$/);
    assert.equal(statSync(identity(who)).mode & 0o777, 0o600);
    assert.equal(
      out.includes((JSON.parse(readFileSync(identity(who), "utf8")) as { password: string }).password),
      false,
    );
    return out.trim();
  };
  const said = operator("device", "add", "box1", "--subscriber", "alice", "--public-key", keygen("settop", "box1")).out;
  assert.match(
    said,
    /^set-top box1 is registered\nits identity file is complete as its keygen made it\n.*control peers/,
  );
  operator("service", "add", "studio", "--role", "headend", "--public-key", keygen("headend", "studio"));

  const { broker } = await server.see("its port", (status) => status.broker?.ports?.length > 0 && status);
  const common = { broker: { url: `mqtt://127.0.0.1:${broker.ports[0]}` }, interfaceAddress: "127.0.0.1" };
  const group = { id: "one", group: "239.255.79.1", port: 15_079 };
  const headend = new Configured("headend", at, {
    ...common,
    id: "studio",
    identity: identity("studio"),
    keyServer: JSON.parse(operator("peers", "headend").out),
    channels: [{ ...group, input: { kind: "file", path: "scripts/sample/test-card.mpegts" } }],
  });
  const settop = new Configured("settop", at, {
    ...common,
    id: "box1",
    identity: identity("box1"),
    journal: join(at, "journal"),
    keyServer: JSON.parse(operator("peers", "settop").out),
    channels: [group],
    tune: ["one"],
    output: { form: "null" },
  });
  await settop.see("its key", (status) => status.channels?.[0]?.viewing?.verdict?.kind === "granted");
  for (const one of [settop, headend, server]) assert.equal((await one.stop()).code, 0, one.text);
});
