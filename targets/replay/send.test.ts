// The bundle plays a capture onto a real wire: what a peer hears there is what the capture has, whatever link it was taken on.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { writePcap } from "../../core/capture/pcap.ts";
import { readInParts } from "../../core/capture/replay.testkit.ts";
import { otherEnd } from "../../hal/frame-sender/other-end.testkit.ts";
import { CABLE, eventually, inNamespace } from "../../hal/in-namespace.testkit.ts";

const V3 = "core/igmp/vectors/kernel-v3.pcap";
/** Of the kernel host in that capture, and of its querier. */
const HOST = [2, 0, 0, 0, 0, 0x0a];

const packets = [...readInParts(readFileSync(V3))].flatMap((item) => (typeof item === "string" ? [] : [item]));
const OF_HOST = packets.map(({ bytes }) => toHex(bytes)).filter((frame) => frame.startsWith("02000000000a", 12));

async function played(count: number, ...args: string[]): Promise<{ frames: readonly string[]; err: string }> {
  const end = await otherEnd("rt1", HOST);
  const done = spawnSync(process.execPath, ["dist/replay.cjs", "igmp", ...args, "--send", "rt0"], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  await eventually(() => end.look().length >= count);
  end.close();
  return { frames: [...end.look()], err: done.stderr };
}

if (inNamespace(import.meta.url, "replay onto a wire", CABLE)) {
  test("each IGMP message of the capture, in its order, as often as it is played", async () => {
    const { frames, err } = await played(2 * OF_HOST.length, V3, "--loop", "2");
    assert.deepEqual(frames, [...OF_HOST, ...OF_HOST]);
    assert.match(err, new RegExp(`${2 * packets.length} frames sent on rt0$`, "m"));
  });

  test("packets without an Ethernet header get one", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sealcast-send-"));
    const cooked = packets.map(({ at, bytes }) => {
      const head = [0, 0, 0, 1, 0, 6, ...bytes.subarray(6, 12), 0, 0, 8, 0];
      return { at, bytes: Uint8Array.from([...head, ...bytes.subarray(14)]) };
    });
    writeFileSync(join(folder, "cooked.pcap"), writePcap(113, cooked));
    const { frames } = await played(OF_HOST.length, join(folder, "cooked.pcap"));
    rmSync(folder, { recursive: true });
    assert.deepEqual(frames, OF_HOST);
  });

  test("the same seed loses and reorders the same frames", async () => {
    const bad = [V3, "--loop", "20", "--loss", "20", "--reorder", "10%", "--seed", "5", "--json"];
    const first = await played(0, ...bad);
    const [, lost] = /\((\d+) lost, \d+ out of order\)/.exec(first.err) ?? assert.fail(first.err);
    assert.ok(Number(lost) > 30 && Number(lost) < 100, first.err);
    const again = await played(first.frames.length, ...bad);
    assert.deepEqual(again.frames, first.frames);
  });
}
