// The bundle dist/replay.cjs as a user runs it.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { address } from "../../core/base/ipv4.ts";
import { unixTime } from "../../core/base/time.ts";
import { writePcap } from "../../core/capture/pcap.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../../core/igmp/messages/v1-v2-message.ts";

const V3 = "core/igmp/vectors/kernel-v3.pcap";
const folder = mkdtempSync(join(tmpdir(), "sealcast-replay-"));
after(() => rmSync(folder, { recursive: true }));

/** A file of the test's own. */
function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function replay(args: readonly string[], input?: Uint8Array): Ended {
  const command = ["dist/replay.cjs", ...args];
  const done = spawnSync(process.execPath, command, { encoding: "utf8", timeout: 60_000, ...(input && { input }) });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

const igmp = (...args: string[]): Ended => replay(["igmp", ...args]);

test("igmp CAPTURE --json: counts, drops, tables and timeline", () => {
  const { code, out } = igmp(V3, "--json");
  assert.equal(code, 0);
  const json = JSON.parse(out);
  assert.deepEqual([json.packets, json.igmp, json.drops], [16, 16, {}]);
  assert.deepEqual(json.types, {
    v1Query: 0,
    v2Query: 0,
    v3Query: 2,
    v1Report: 0,
    v2Report: 0,
    v3Report: 14,
    leave: 0,
    unknown: 0,
  });
  assert.deepEqual(json.timeline[0], {
    frame: 1,
    at: "2026-11-22T16:34:40.934Z",
    network: "untagged",
    event: "host-joined",
    group: "239.255.77.1",
    host: {
      address: "10.99.0.2",
      mac: "02:00:00:00:00:0a",
      since: "2026-11-22T16:34:40.934Z",
      lastSeen: "2026-11-22T16:34:40.934Z",
      evidence: "v3Report",
      mode: "exclude",
      sources: [],
    },
  });
  assert.deepEqual(
    json.timeline.find(({ frame, event }: { frame: number; event: string }) => frame === 13 && event === "query").query,
    {
      version: 3,
      group: "232.1.1.1",
      sources: ["192.0.2.2", "192.0.2.3"],
      maxResponse: 1,
      suppress: false,
      qrv: 2,
      qqi: 125,
    },
  );
  assert.deepEqual(
    json.networks.map(({ network, igmp: count }: { network: string; igmp: number }) => [network, count]),
    [["untagged", 16]],
  );
  assert.deepEqual(
    json.networks[0].memberships.map((entry: { group: string }) => entry.group),
    ["239.255.77.1", "232.1.1.1"],
  );
});

test("igmp CAPTURE for a person: the same, as lines", () => {
  const { code, out } = igmp(V3);
  assert.equal(code, 0);
  assert.match(out, /^16 packets, 16 IGMP$/m);
  assert.match(
    out,
    /^ +1 {2}\S+ {2}host-joined {2}239\.255\.77\.1 {2}10\.99\.0\.2 02:00:00:00:00:0a {2}\(v3Report\)$/m,
  );
  assert.match(out, /membership {2}232\.1\.1\.1 {2}include \{192\.0\.2\.1\}$/m);
  assert.match(out, /^ +11 {2}\S+ {2}query {2}10\.99\.0\.1 {2}v3 general, answers within 1 s, QRV 2, QQI 125 s$/m);
  assert.match(out, /^memberships at the end, untagged \(10\.99\.0\.1 asks\)$/m);
});

test("with igmp.address set the router is a querier in the capture", () => {
  const { out } = igmp(V3, "--json", "--set", "igmp.address=10.99.0.0");
  const json = JSON.parse(out);
  assert.deepEqual(json.networks[0].querier, { kind: "querier" });
  assert.ok(json.timeline.some((event: { event: string }) => event.event === "own-query"));
});

test("compressed with gzip, in several members, and on standard input it reads the same", () => {
  const whole = readFileSync(V3);
  const expected = igmp(V3, "--json").out;
  assert.equal(igmp(file("whole.pcap.gz", gzipSync(whole)), "--json").out, expected);
  const members = Buffer.concat([gzipSync(whole.subarray(0, 333)), gzipSync(whole.subarray(333))]);
  assert.equal(igmp(file("members.pcap.gz", members), "--json").out, expected);
  assert.equal(replay(["igmp", "-", "--json"], whole).out, expected);
  assert.equal(replay(["igmp", "-", "--json"], gzipSync(whole)).out, expected);
});

/** What was printed of a capture that could not be read whole. */
function partOf({ code, out, err }: Ended, words: RegExp): { packets: number; fault: string } {
  assert.equal(code, 65, err);
  assert.match(err, words);
  return JSON.parse(out);
}

test("a capture cut off: what is whole is printed, the reason in words, exit code 65", () => {
  const { packets, fault } = partOf(
    igmp(file("cut.pcap", readFileSync(V3).subarray(0, 500)), "--json"),
    /cut\.pcap: it was cut off in the middle of a packet or block \(capture\.truncated\)/,
  );
  assert.deepEqual([fault, packets], ["capture.truncated", 6]);
});

test("gzip that is cut off or damaged gives everything before, the reason in words, and 65", () => {
  const noise = Array.from({ length: 20_000 }, (_, i) => ({
    at: unixTime(i),
    bytes: Uint8Array.from({ length: 60 }, (_unused, k) => (i * 2_654_435_761 * (k + 1)) >>> 13),
  }));
  const packed = gzipSync(writePcap(101, noise));
  const cut = partOf(igmp(file("cut.gz", packed.subarray(0, -4)), "--json"), /gzip compression is damaged/);
  assert.deepEqual(cut, { ...cut, packets: 20_000, fault: "capture.gzip" });
  const half = partOf(igmp(file("half.gz", packed.subarray(0, packed.length / 2)), "--json"), /gzip/);
  assert.ok(half.packets > 9000 && half.packets < 11_000, String(half.packets));
  const middle = Math.floor(packed.length / 2);
  packed.fill(0xff, middle, middle + 600);
  const damaged = partOf(igmp(file("damaged.gz", packed), "--json"), /gzip/);
  assert.ok(damaged.packets > 8000 && damaged.packets < 11_000, String(damaged.packets));
});

test("a link type that is not read is named, and 65; what can be read is printed", () => {
  const { code, out, err } = igmp(file("zigbee.pcap", writePcap(195, [{ at: unixTime(0), bytes: new Uint8Array(9) }])));
  assert.equal(code, 65);
  assert.match(err, /zigbee\.pcap: 1 packet of link type 195 \(IEEE 802\.15\.4\) was not read/);
  assert.match(out, /^1 packets, 0 IGMP$/m);
});

test("what is no capture is 65 in words, a missing file and a directory are 66, no file named is 64", () => {
  const text = igmp("package.json");
  assert.equal(text.code, 65);
  assert.match(text.err, /this is no capture: neither pcap nor pcapng.*capture\.format/);
  assert.equal(igmp("/nonexistent.pcap").code, 66);
  assert.equal(igmp("core").code, 66);
  assert.equal(igmp().code, 64);
  assert.equal(replay([]).code, 64);
});

test("a tool has no daemon's commands, and says which it has", () => {
  for (const command of ["run", "status"]) assert.equal(replay([command]).code, 64);
  const { out, code } = replay(["--help"]);
  assert.equal(code, 0);
  const commands = [...out.matchAll(/^ {2}([a-z][a-z-]+)( {2,}|.*<)/gm)].map(([, name]) => name);
  assert.deepEqual(commands, ["check-config", "igmp"]);
  assert.match(replay(["igmp", "--help"]).out, /--expect <file>/);
});

test("what it printed as JSON is what it expects of the same capture", () => {
  const golden = file("golden.json", igmp(V3, "--json").out);
  const { code, out, err } = igmp(V3, "--expect", golden);
  assert.deepEqual([code, out], [0, ""]);
  assert.match(err, /kernel-v3\.pcap is as expected/);
});

test("an expectation that does not hold: each difference in a line, exit code 1", () => {
  const expected = file(
    "wrong.json",
    JSON.stringify({ igmp: 16, types: { v3Report: 13 }, timeline: [{ event: "drop" }] }),
  );
  const { code, err } = igmp(V3, "--expect", expected);
  assert.equal(code, 1);
  assert.match(err, /^sealcast-replay: types\.v3Query: expected 0, is 2$/m);
  assert.match(err, /^sealcast-replay: types\.v3Report: expected 13, is 14$/m);
  assert.match(err, /^sealcast-replay: timeline\[0\]: expected \{"event":"drop"\}, and nothing of the kind is there$/m);
});

test("an expectation that names the fault of its capture holds", () => {
  const cut = file("known.pcap", readFileSync(V3).subarray(0, 500));
  assert.equal(igmp(cut, "--expect", file("cut.json", '{"packets": 6, "fault": "capture.truncated"}')).code, 0);
  assert.equal(igmp(cut, "--expect", file("not.json", '{"packets": 6}')).code, 65);
});

test("an expectation that is not there is 66, one that is none is 65", () => {
  assert.equal(igmp(V3, "--expect", join(folder, "none.json")).code, 66);
  assert.equal(igmp(V3, "--expect", file("text.json", "nothing")).code, 65);
  assert.equal(igmp(V3, "--expect", file("list.json", "[]")).code, 65);
});

test("options that make no sense are 64, in words", () => {
  const loop = replay(["igmp", "-", "--send", "lo", "--loop"]);
  assert.equal(loop.code, 64);
  assert.match(loop.err, /standard input cannot be played again/);
  for (const options of [["--loss", "1"], ["--reorder", "1%"], ["--loop", "2"], ["--seed", "1"], ["--all"]]) {
    const { code, err } = igmp(V3, ...options);
    assert.equal(code, 64);
    assert.match(err, /needs --send INTERFACE/);
  }
  for (const options of [
    ["--speed", "0"],
    ["--loss", "101"],
    ["--reorder", "-1"],
    ["--loop", "0"],
    ["--seed", "x"],
  ])
    assert.equal(igmp(V3, "--send", "lo", ...options).code, 64, options.join(" "));
});

test("an interface that is not there is 69 in words", () => {
  const { code, err } = igmp(V3, "--send", "sealcast-none");
  assert.equal(code, 69);
  assert.match(err, /sealcast-none is not there, or down/);
});

test("memory does not grow with the capture: 200,000 packets of 1400 octets on standard input", async () => {
  const child = spawn(process.execPath, ["--max-old-space-size=64", "dist/replay.cjs", "igmp", "-", "--json"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.on("data", (text) => (out += String(text)));
  const udp = Uint8Array.from({ length: 1400 }, (_, i) => [0x45, 0, 5, 120, 0, 0, 0, 0, 1, 17][i] ?? 7);
  const records = writePcap(
    101,
    Array.from({ length: 100 }, (_, i) => ({ at: unixTime(1000 + i), bytes: udp })),
  );
  child.stdin.write(records.subarray(0, 24));
  let peak = 0;
  for (let i = 0; i < 2000; i++) {
    if (!child.stdin.write(records.subarray(24))) await once(child.stdin, "drain");
    if (i % 100 === 0) peak = Math.max(peak, residentOf(child.pid));
  }
  child.stdin.end();
  await once(child, "close");
  assert.equal(JSON.parse(out).packets, 200_000);
  assert.ok(peak < 200 * 2 ** 20, `${Math.round(peak / 2 ** 20)} MiB`);
});

/** Octets. */
const residentOf = (pid: number | undefined): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

/** One report, and when `more` another one an hour later. */
function reports(more: boolean): Uint8Array {
  const report = writeV1V2Message(new Uint8Array(V1_V2_LENGTH), address("10.0.0.1"), "v2Report", address("239.1.1.1"));
  return writePcap(
    101,
    (more ? [0, 3_600_000] : [0]).map((at) => ({ at: unixTime(1e12 + at), bytes: report })),
  );
}

/** Interrupted as soon as the first report was told, which is as soon as it was played. */
async function interrupted(args: readonly string[], input?: Uint8Array): Promise<void> {
  const child = spawn(process.execPath, ["dist/replay.cjs", "igmp", ...args]);
  const out: string[] = [];
  const said: string[] = [];
  child.stdout.on("data", (text) => out.push(String(text)));
  child.stderr.on("data", (text) => said.push(String(text)));
  if (input !== undefined) child.stdin.write(input);
  await once(child.stdout, "data");
  child.kill("SIGINT");
  const [code] = await once(child, "close");
  assert.equal(code, 65, said.join(""));
  assert.match(said.join(""), /ended before its end/);
  assert.match(out.join(""), /host-joined {2}239(.|\n)*^1 packets, 1 IGMP$/m);
}

test("interrupted as it plays in real time it says what it has, and that this is not all", () =>
  interrupted([file("slow.pcap", reports(true)), "--speed", "1"]));

test("interrupted as it waits for more of standard input it does the same", () => interrupted(["-"], reports(false)));

test("a reader that has seen enough ends it, and nothing is wrong", () => {
  const report = writeV1V2Message(new Uint8Array(V1_V2_LENGTH), address("10.0.0.1"), "v2Report", address("239.1.1.1"));
  const packets = Array.from({ length: 20_000 }, (_, i) => ({ at: unixTime(300_000 * i), bytes: report }));
  const script = `"${process.execPath}" dist/replay.cjs igmp ${file("long.pcap", writePcap(101, packets))} | head -n 1; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
  assert.match(stdout, /^ +1 {2}.*host-joined.*\n0\n$/);
  assert.equal(stderr, "");
});

test("check-config names each fault of the timers", () => {
  const { code, err } = replay(["check-config", "--set", "igmp.times.queryInterval=5"]);
  assert.equal(code, 78);
  assert.match(err, /igmp\.times: times\.response-not-below-interval/);
});
