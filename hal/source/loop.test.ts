// A looped file as a player sees it: through the paced source, and read by ffmpeg and GStreamer.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Instant, milliseconds } from "../../core/base/time.ts";
import { isDiscontinuity, TS_PACKET } from "../../core/mpegts/packet.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { type Octets, openFile } from "./octets.ts";
import { PacedSource } from "./paced.ts";

const SAMPLE = "scripts/sample/test-card.mpegts";

interface Unit {
  readonly at: number;
  readonly octets: Uint8Array;
}

/** Plays octets on a simulated clock until `enough` octets are sent, or they end. */
async function play(octets: Octets, enough: number, bitrate?: number, content: "ts" | "datagram" = "ts") {
  const clock = new SimulatedClock();
  const units: Unit[] = [];
  let sent = 0;
  let ended = false;
  const payload = (now: Instant, from: Uint8Array, start: number, end: number): void => {
    units.push({ at: now, octets: from.slice(start, end) });
    sent += end - start;
  };
  const options = { name: "test", content, ...(bitrate === undefined ? {} : { bitrate }) };
  const source = new PacedSource(
    options,
    octets,
    clock,
    { payload, datagram: assert.fail, hasRoom: true },
    {
      failed: (error) => assert.fail(error),
      ended: () => {
        ended = true;
      },
    },
  );
  source.start();
  while (sent < enough && !ended) {
    await new Promise((resolve) => setImmediate(resolve));
    const next = clock.nextAlarm();
    if (next !== undefined) clock.run(milliseconds(next - clock.now()));
  }
  source.stop();
  await new Promise((resolve) => setImmediate(resolve));
  return { units, ended, octets: Buffer.concat(units.map((unit) => unit.octets)), status: source.status() };
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-loop-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function loopOf(t: TestContext, file: Uint8Array): Promise<Octets> {
  const path = join(folderOf(t), "x");
  writeFileSync(path, file);
  return openFile(path, true);
}

const packetsOf = (stream: Uint8Array): readonly Uint8Array[] =>
  Array.from({ length: stream.length / TS_PACKET }, (_, i) => stream.subarray(i * TS_PACKET, (i + 1) * TS_PACKET));

const marksOf = (stream: Uint8Array): number => packetsOf(stream).filter((packet) => isDiscontinuity(packet, 0)).length;

test("a looped file is sent in whole units, paced by its clock through the joint, which is marked once for each PID", async (t) => {
  const file = readFileSync(SAMPLE);
  const { units, octets } = await play(await loopOf(t, file), 2.5 * file.length);
  assert.deepEqual(new Set(units.map((unit) => unit.octets.length)), new Set([7 * TS_PACKET]));
  // PAT, PMT, SDT, picture and sound.
  assert.equal(marksOf(octets), 2 * 5);
  // No two units are further apart than within the file: at the joint nothing waits.
  const waits = units.map(({ at }, i) => at - (units[i - 1]?.at ?? 0));
  const within = Math.max(...waits.slice(0, 400));
  assert.ok(Math.max(...waits) < within + 0.001, `${Math.max(...waits)} ms, within the file ${within} ms`);
});

test("what is not a whole packet at the end of a looped file is left out, rubbish at its start in every pass", async (t) => {
  const card = readFileSync(SAMPLE).subarray(0, 40 * TS_PACKET);
  const file = Buffer.concat([Buffer.alloc(50), card, card.subarray(0, 100)]);
  const { octets, status } = await play(await loopOf(t, file), 120 * TS_PACKET, 10_000_000);
  const packets = packetsOf(octets);
  const pass = 40 + marksOf(octets.subarray(0, 60 * TS_PACKET));
  assert.ok(pass > 40);
  assert.deepEqual(packets[pass]?.subarray(4), packets[0]?.subarray(4));
  assert.equal((status as { "source.lost-sync": number })["source.lost-sync"] % 50, 0);
});

test("a looped file without one whole packet has ended, and so has an empty one; datagrams are looped without marks", async (t) => {
  const empty = await play(await loopOf(t, new Uint8Array(0)), 1, 1_000_000, "datagram");
  assert.deepEqual([empty.ended, empty.octets.length], [true, 0]);
  const card = readFileSync(SAMPLE);
  const one = await play(await loopOf(t, card.subarray(0, TS_PACKET)), 5 * TS_PACKET, 1_000_000);
  assert.equal(marksOf(one.octets), 3, "of seven packets that are the one and its mark in turn");
  const looped = await play(await loopOf(t, Uint8Array.of(1, 2, 3)), 2 * 1316, 1_000_000, "datagram");
  assert.deepEqual([...looped.octets.subarray(0, 7)], [1, 2, 3, 1, 2, 3, 1]);
});

const present = (program: string): boolean => spawnSync(program, ["--version"]).error === undefined;
const without = (program: string) =>
  present(program) ? false : `${program} is not installed: nothing to read the loop with`;

/** What ffmpeg has against the counters of a stream. */
function ffmpegComplaints(path: string): readonly string[] {
  const args = ["-hide_banner", "-loglevel", "debug", "-i", path, "-map", "0", "-c", "copy", "-f", "null", "-"];
  const { stderr, status } = spawnSync("ffmpeg", args, { encoding: "utf8", maxBuffer: 2 ** 28 });
  assert.equal(status, 0, stderr.slice(-2000));
  return stderr.split("\n").filter((line) => /continuity check failed|packet corrupt/i.test(line));
}

/** What GStreamer has against the counters of a stream, and the decoding times of its picture, of equal length as text. */
function gstreamer(path: string) {
  const picture = ["demux.", "!", "video/x-h264", "!", "queue", "!", "identity", "silent=false", "!", "fakesink"];
  const sound = ["demux.", "!", "audio/mpeg", "!", "queue", "!", "fakesink"];
  const args = ["-v", "filesrc", `location=${path}`, "!", "tsdemux", "name=demux", ...picture, ...sound];
  const env = { ...process.env, GST_DEBUG_NO_COLOR: "1", GST_DEBUG: "tsdemux:5,mpegtspacketizer:4" };
  const { stdout, stderr, status } = spawnSync("gst-launch-1.0", args, { encoding: "utf8", maxBuffer: 2 ** 28, env });
  assert.equal(status, 0, stderr.slice(-2000));
  return {
    complaints: stderr.split("\n").filter((line) => /CONTINUITY: Mismatch|section discontinuity/.test(line)),
    times: [...stdout.matchAll(/dts: ([0-9:.]+)/g)].map(([, time]) => time),
  };
}

/** The sample looped twice, as the headend sends it, and as a file that was joined to itself without a word. */
async function samples(t: TestContext): Promise<{ readonly marked: string; readonly unmarked: string }> {
  const folder = folderOf(t);
  const card = readFileSync(SAMPLE);
  const whole = 3 * card.length + 2 * 5 * TS_PACKET;
  const { octets } = await play(await openFile(SAMPLE, true), whole, 100_000_000);
  const paths = { marked: join(folder, "marked.ts"), unmarked: join(folder, "unmarked.ts") };
  writeFileSync(paths.marked, octets.subarray(0, whole));
  writeFileSync(paths.unmarked, Buffer.concat([card, card, card]));
  return paths;
}

test("ffmpeg finds no gap in a file that was looped twice, and every frame of it", {
  skip: without("ffmpeg"),
}, async (t) => {
  const { marked, unmarked } = await samples(t);
  assert.notDeepEqual(ffmpegComplaints(unmarked), []);
  assert.deepEqual(ffmpegComplaints(marked), []);
  const thrice = framesOf(SAMPLE).map((frames) => 3 * frames);
  assert.deepEqual(framesOf(marked), thrice);
});

test("GStreamer finds no gap in a file that was looped twice, and its time never runs backwards", {
  skip: without("gst-launch-1.0"),
}, async (t) => {
  const { marked, unmarked } = await samples(t);
  assert.notDeepEqual(gstreamer(unmarked).complaints, []);
  const { complaints, times } = gstreamer(marked);
  assert.deepEqual(complaints, []);
  assert.ok(times.length > 700, `${times.length} frames`);
  assert.deepEqual(times, [...times].sort());
});

/** Packets of picture and sound, as ffprobe counts them. */
function framesOf(path: string): readonly number[] {
  const args = ["-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", path];
  const { stdout } = spawnSync("ffprobe", args, { encoding: "utf8" });
  return stdout.split("\n").flatMap((line) => (/^\d+/.test(line) ? [Number.parseInt(line, 10)] : []));
}
