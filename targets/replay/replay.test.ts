// The bundle dist/replay.cjs as a user runs it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const V3 = "core/igmp/vectors/kernel-v3.pcap";

function replay(...args: string[]): { code: number | null; out: string; err: string } {
  const done = spawnSync(process.execPath, ["dist/replay.cjs", ...args], { encoding: "utf8", timeout: 20_000 });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

test("igmp CAPTURE --json: counts, drops, tables and timeline", () => {
  const { code, out } = replay("igmp", V3, "--json");
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
    at: "2026-11-22T16:34:40.934Z",
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
    json.memberships.map((entry: { group: string }) => entry.group),
    ["239.255.77.1", "232.1.1.1"],
  );
});

test("igmp CAPTURE for a person: the same, as lines", () => {
  const { code, out } = replay("igmp", V3);
  assert.equal(code, 0);
  assert.match(out, /^16 packets, 16 IGMP$/m);
  assert.match(out, /host-joined {2}239\.255\.77\.1 {2}10\.99\.0\.2 02:00:00:00:00:0a {2}\(v3Report\)$/m);
  assert.match(out, /membership {2}232\.1\.1\.1 {2}include \{192\.0\.2\.1\}$/m);
});

test("with igmp.address set the router is a querier in the capture", () => {
  const { out } = replay("igmp", V3, "--json", "--set", "igmp.address=10.99.0.0");
  const json = JSON.parse(out);
  assert.deepEqual(json.querier, { kind: "querier" });
  assert.ok(json.timeline.some((event: { event: string }) => event.event === "query"));
});

test("a capture cut off: what is whole is printed, the reason named, exit code 65", () => {
  const directory = mkdtempSync(join(tmpdir(), "sealcast-replay-"));
  try {
    const path = join(directory, "cut.pcap");
    writeFileSync(path, readFileSync(V3).subarray(0, 500));
    const { code, out, err } = replay("igmp", path, "--json");
    const json = JSON.parse(out);
    assert.deepEqual([code, json.fault, json.packets > 0], [65, "capture.truncated", true]);
    assert.match(err, /cut\.pcap: capture\.truncated/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("what is no capture is 65 by name, a missing file and a directory are 66, no file named is 64", () => {
  const text = replay("igmp", "package.json");
  assert.equal(text.code, 65);
  assert.match(text.err, /capture\.format/);
  assert.equal(replay("igmp", "/nonexistent.pcap").code, 66);
  assert.equal(replay("igmp", "core").code, 66);
  assert.equal(replay("igmp").code, 64);
  assert.equal(replay().code, 64);
});

test("check-config names each fault of the timers", () => {
  const { code, err } = replay("check-config", "--set", "igmp.times.queryInterval=5");
  assert.equal(code, 78);
  assert.match(err, /igmp\.times: times\.response-not-below-interval/);
});
