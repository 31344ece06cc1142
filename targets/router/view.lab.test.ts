// The router bundle as an operator sees into it: status, --why, top and metrics, with hosts and streams of the kernel. Needs root.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";
import type { RouterStatus } from "./status.ts";
import type { WhyAnswer } from "./why-words.ts";

const PREFIX = `vw-${process.pid}`;
const [ROUTER, LAN, SOURCE] = [`${PREFIX}-r`, `${PREFIX}-l`, `${PREFIX}-s`];
const root = process.getuid?.() === 0;
const skip = !root ? "needs root for network namespaces" : !existsSync("dist/router.cjs") && "needs npm run build";
const LIMIT = 20_000;
const [GROUP, DARK, HOST] = ["239.255.77.1", "239.255.77.9", "10.22.0.2"];

const SETTINGS = [
  "id=lab-router",
  `socket=/tmp/${PREFIX}.sock`,
  "upstream.interface=wan",
  "downstreams.0.interface=lan0",
  "metrics.port=9177",
  "log.format=json",
].flatMap((setting) => ["--set", setting]);

/** The bundle's own command in the router's namespace. */
function command(...args: readonly string[]) {
  const line = ["netns", "exec", ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, ...args];
  const { status, stdout, stderr } = spawnSync("ip", line, { encoding: "utf8", timeout: LIMIT });
  return { code: status, out: stdout, err: stderr };
}

function why(group: string, host: string): { readonly code: number | null } & WhyAnswer {
  const { code, out, err } = command("status", "--json", "--why", group, host);
  assert.notEqual(out, "", err);
  return { code, ...(JSON.parse(out) as WhyAnswer) };
}

let host: Actor | undefined;
let router: Actor | undefined;
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");

before(async () => {
  if (skip !== false) return;
  makeNamespaces([ROUTER, LAN, SOURCE]);
  cable(ROUTER, "lan0", LAN, "eth0");
  cable(ROUTER, "wan", SOURCE, "eth0");
  ip("-n", ROUTER, "addr", "add", "10.22.0.1/24", "dev", "lan0");
  ip("-n", ROUTER, "addr", "add", "10.21.0.1/24", "dev", "wan");
  ip("-n", LAN, "addr", "add", `${HOST}/24`, "dev", "eth0");
  ip("-n", SOURCE, "addr", "add", "10.21.0.2/24", "dev", "eth0");
  ip("-n", SOURCE, "route", "add", "224.0.0.0/4", "dev", "eth0");
  router = act(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS);
  await router.saw(/"msg":"running/, LIMIT);
  const sender = act(SOURCE, process.execPath, "targets/router/lab-host.testkit.cjs", "sender", "10.21.0.2", "5000");
  await sender.saw(/ready/, LIMIT);
  sender.say(GROUP);
  host = act(LAN, process.execPath, "targets/router/lab-host.testkit.cjs", "host", HOST, "5000");
});

after(() => (root ? removeNamespaces([ROUTER, LAN, SOURCE]) : undefined));

test("--why follows a viewer: not joined, delivered by the kernel's counters, left; exit 0 when delivered, else 1", {
  skip,
}, async () => {
  const [one, another] = [the(host), the(router)];
  assert.deepEqual(
    [why(GROUP, HOST)].map(({ code, verdict }) => [code, verdict]),
    [[1, "not-joined"]],
  );
  one.say(`join ${GROUP}`);
  await another.saw(/"number":72/, LIMIT);
  const delivered = why(GROUP, HOST);
  assert.deepEqual([delivered.code, delivered.verdict], [0, "delivered"], delivered.sentences.join("\n"));
  assert.match(delivered.sentences[0] ?? "", /now: \d\d packets\/s, \d+ kbit\/s from 10\.21\.0\.2 by wan/);
  one.say(`join ${DARK}`);
  await one.saw(new RegExp(`joined ${DARK}`), LIMIT);
  await another.saw(new RegExp(`"number":71.*"group":"${DARK}"`), LIMIT);
  assert.deepEqual(
    [why(DARK, HOST)].map(({ code, verdict }) => [code, verdict]),
    [[1, "no-upstream-packets"]],
  );
  one.say(`leave ${DARK}`);
  await another.saw(new RegExp(`"number":81.*"group":"${DARK}"`), LIMIT);
  const { code, out } = command("status", "--why", DARK, HOST);
  assert.equal(code, 1);
  assert.match(out, /^left: 10\.22\.0\.2 .*left 239\.255\.77\.9 on lan0 at/);
});

test("status is tables for a person, its counters those of the wire", { skip }, () => {
  const { code, out } = command("status");
  assert.equal(code, 0);
  assert.match(out, /^router lab-router .*: running, up/);
  assert.match(out, /^INTERFACE +SIDE +STATE +QUERIER +GROUPS/m);
  assert.match(out, /^239\.255\.77\.1 +lan0 +1 +3 +exclude/m);
  assert.match(out, /^10\.21\.0\.2 +239\.255\.77\.1 +wan +lan0$/m);
  const [lan] = (JSON.parse(command("status", "--json").out) as RouterStatus).interfaces;
  assert.ok((lan?.statistics.sent["v3-query-general"] ?? 0) >= 1);
  assert.ok((lan?.statistics.received["v3-report"] ?? 0) >= 3);
  assert.equal(lan?.statistics.error.total, 0);
});

test("top tells packets and bits a second of each group, and ends after --count looks", { skip }, () => {
  const { code, out } = command("top", "--count", "2");
  assert.equal(code, 0);
  assert.equal(out.match(/^GROUP +PACKETS\/S/gm)?.length, 2);
  assert.equal(out.match(/^239\.255\.77\.1 +\d\d +\d+ +1 +0$/gm)?.length, 2, out);
  assert.match(out, /CPU \d+\.\d %, RSS \d+\.\d MiB/);
});

test("top on a console of which nobody knows the size: whole lines, and q ends it with the screen as it was", {
  skip,
}, async () => {
  const line = [process.execPath, "dist/router.cjs", ...SETTINGS, "top"].join(" ");
  const console = act(ROUTER, "script", "--quiet", "--return", "--command", line, "/dev/null");
  await console.saw(/^239\.255\.77\.1 +\d\d +\d+ +1 +0/, LIMIT);
  const ended = once(console.process, "exit");
  console.process.stdin?.write("q");
  assert.deepEqual(await ended, [0, null]);
  assert.ok(console.lines.join("\n").includes("CPU"));
});

test("metrics are the same over the local socket and by HTTP on the loopback interface only", { skip }, () => {
  const { out } = command("metrics");
  assert.match(out, /^sealcast_igmp_joins_total\{interface="lan0"\} 2$/m);
  const fetch = (url: string): string =>
    inside(
      ROUTER,
      process.execPath,
      "-e",
      `fetch(${JSON.stringify(url)}).then(async (got) => console.log(got.status, await got.text()), () => console.log("refused"))`,
    );
  const fetched = fetch("http://127.0.0.1:9177/metrics");
  assert.match(fetched, /^200 # HELP sealcast_igmp_received_messages_total/);
  assert.match(fetched, /^sealcast_igmp_joins_total\{interface="lan0"\} 2$/m);
  assert.match(fetch("http://10.22.0.1:9177/metrics"), /^refused/);
});
