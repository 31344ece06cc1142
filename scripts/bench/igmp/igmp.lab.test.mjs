// bench:igmp measures what it says: its delays are those of a capture, and a run prints and writes every figure with its peers.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isJoin, isLeave } from "../../lab/igmp.mjs";
import { Run } from "../../lab/run.mjs";
import { observe } from "../../lab/waiting.mjs";
import { absence } from "./columns.mjs";
import { compileTester } from "./load.mjs";
import { ROUTERS, ready } from "./routers.mjs";
import { Site } from "./site.mjs";

/** The tester and the capture are stamped by the same kernel, each rounded in its own way. */
const SAME = 0.1;
const JOINS = 2;
/** Milliseconds; many times what the tester takes for the end of a group's packets. */
const INTERRUPTION = 500;
/** RFC 2236 8.8: two queries, a second apart. */
const LAST_MEMBER_TIME = 2000;

describe("the tester beside a capture", () => {
  /** @type {Run} */
  let run;
  /** @type {Site} */
  let site;
  before(async () => {
    run = new Run();
    site = new Site(run, "checked", compileTester(run.directory));
    await site.up();
    const [sealcast] = ROUTERS;
    assert.ok(sealcast);
    await ready(site, sealcast, await sealcast.start(site));
  });
  after(() => run.close());

  /** No packet of the source passes for a while, once the last group has been left. @param {import("../../lab/capture.mjs").Capture} capture */
  async function interrupt(capture) {
    await capture.first("the last leave", isLeave(`239.50.0.${2 * JOINS - 1}`), 30_000);
    const chain = "chain in {\ntype filter hook prerouting priority -400\nudp dport 5000 drop\n}";
    site.router.run("nft", `table ip bench {\n${chain}\n}`);
    await observe(INTERRUPTION);
    site.router.run("nft", "delete table ip bench");
  }

  test("the delays of joins and leaves, in both versions, are those that tcpdump shows, also when the source pauses", async () => {
    const capture = await run.capture(site.lan, "eth0", "igmp or udp port 5000");
    const [answers] = await Promise.all([
      site.load.measure("joins", { count: JOINS, patience: 20 }),
      interrupt(capture),
    ]);
    const told = (/** @type {string} */ key) => answers.filter((one) => key in one).map((one) => one[key] / 1e6);
    const joins = [...told("join3"), ...told("join2")];
    const leaves = [...told("leave3"), ...told("leave2")];
    assert.deepEqual([joins.length, leaves.length], [2 * JOINS, 2 * JOINS]);
    for (const leave of told("leave2"))
      assert.ok(leave > LAST_MEMBER_TIME / 2, `a pause was taken for the end: ${leave}`);
    for (let index = 0; index < 2 * JOINS; index++) {
      const group = `239.50.0.${index}`;
      const report = await capture.first("the report", isJoin(group));
      const leave = await capture.first("the leave", isLeave(group));
      const stream = capture.stream(group);
      const first = stream.find((packet) => packet.at >= report.at)?.at ?? Number.NaN;
      const last = stream.at(-1)?.at ?? Number.NaN;
      assert.ok(Math.abs(first - report.at - (joins[index] ?? Number.NaN)) < SAME, `${group}: ${first - report.at}`);
      assert.ok(Math.abs(last - leave.at - (leaves[index] ?? Number.NaN)) < SAME, `${group}: ${last - leave.at}`);
    }
  });

  test("burdened, the router forwards that many packets beside the groups' own for as long as joins and leaves take", async () => {
    const rate = 20_000;
    const begin = performance.now();
    const answers = await site.load.measure("joins", { count: 1, first: 100, patience: 3, beside: rate });
    const seconds = (performance.now() - begin) / 1000;
    assert.equal(answers.filter((one) => one.live > 0).length, 2, "both joined");
    const { beside, of } = answers.find((one) => "beside" in one) ?? {};
    assert.ok(beside > 0.9 * of, `${beside} of ${of} came through`);
    assert.ok(of > rate && of <= rate * seconds, `${of} in ${seconds} s`);
  });
});

test("a tiny run prints and writes every figure of its parts with every peer, or why there is none", () => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-bench-igmp-"));
  try {
    const file = join(folder, "figures.json");
    const args = ["--quick", "--as-built", "--json", file, "--only", "capacity", "latency", "memory", "start"];
    const done = spawnSync(process.execPath, ["scripts/bench/igmp/main.mjs", ...args], {
      encoding: "utf8",
      timeout: 240_000,
    });
    assert.equal(done.status, 0, done.stdout + done.stderr);
    const { figures } = JSON.parse(readFileSync(file, "utf8"));
    const names = figures.map((/** @type {{ name: string }} */ { name }) => name);
    for (const name of [
      "group capacity",
      "forwarding latency, p95",
      "RSS at 1,000 groups",
      "start to first query, max",
    ])
      assert.ok(names.includes(name), `${name} is not among ${names}`);
    for (const figure of figures) checkFigure(figure, done.stdout);
    for (const peer of ROUTERS.slice(1)) {
      const why = absence(peer);
      if (why !== undefined) assert.ok(done.stdout.includes(`Left out: ${why}`), done.stdout);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** @param {import("./figures.mjs").Figure} figure @param {string} printed */
function checkFigure(figure, printed) {
  assert.equal(typeof figure.ours, "number", JSON.stringify(figure));
  assert.ok(printed.includes(`  ${figure.name} `), `${figure.name} is not printed`);
  for (const { name } of ROUTERS.slice(1)) {
    const peer = figure.peers.find((one) => one.name === name);
    assert.ok(peer !== undefined, `${figure.name} says nothing of ${name}`);
    if ("cannot" in peer) assert.doesNotMatch(peer.cannot, /failed/, figure.name);
    else assert.equal(typeof peer.value, "number");
  }
}

test("a part or a peer that there is not is refused by name", () => {
  for (const args of [
    ["--only", "zapp"],
    ["--peers", "quagga"],
  ]) {
    const done = spawnSync(process.execPath, ["scripts/bench/igmp/main.mjs", ...args], { encoding: "utf8" });
    assert.equal(done.status, 64);
    assert.match(done.stderr, /no (part is named zapp; there are join,|peer is named quagga; there are igmpproxy,)/);
  }
});
