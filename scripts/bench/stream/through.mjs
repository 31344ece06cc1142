// A whole stream through a process on the loopback interface: the set-top's bundle, with each of its drivers, beside the plain loop in C
// (recvmmsg, OpenSSL, sendmmsg) and GStreamer's srtpdec. How many packets a second come out of it without loss, and what one takes.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GROUP, OUT, PORT, startBox } from "./box.mjs";
import { masterOfAll, SSRC, sessionKeys } from "./key-server.mjs";
import { Program, processorTime, residentMemory } from "./measured.mjs";

/** 100 Mbit/s of 1316-octet payloads, nearly. */
const USUAL = 9_500;
/** Packets of a second before each measurement: what is compiled while it runs is compiled. */
const WARMING = 20_000;
const pause = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms));

/** @typedef {{ pid: number, stop(): Promise<unknown> }} Subject what a stream goes through */
/** @typedef {{ name: string, start(folder: string): Promise<Subject> }} Contestant */
/** @typedef {{ sent: number, through: number, perPacket: number, percent: number, memory: number }} Measured us and % of processor time, MB */

/** @param {string} name @param {object} [more] of its configuration @returns {Contestant} */
const settop = (name, more) => ({ name, start: (folder) => startBox(folder, more) });

/** @param {string} media @returns {Contestant} */
const plainLoop = (media) => ({
  name: "loop in C",
  async start() {
    const { key, vector } = sessionKeys();
    const loop = new Program(media, ["loop", GROUP, String(PORT), String(OUT), key, vector]);
    await pause(200);
    return loop;
  },
});

/** What GStreamer lacks for this; undefined when it has all. */
function lackOfGStreamer() {
  const elements = ["udpsrc", "srtpdec", "rtpmp2tdepay", "udpsink"];
  const missing = elements.filter((element) => spawnSync("gst-inspect-1.0", [element]).status !== 0);
  return missing.length === 0 ? undefined : `no ${missing.join(", ")}`;
}

/** @type {Contestant} */
const gstreamer = {
  name: "GStreamer srtpdec",
  async start() {
    const caps = [
      "application/x-srtp,media=(string)video,encoding-name=(string)MP2T,clock-rate=(int)90000,payload=(int)33",
      `ssrc=(uint)${SSRC},roc=(uint)0,srtp-key=(buffer)${masterOfAll()},mki=(buffer)00000001`,
      "srtp-cipher=(string)aes-128-gcm,srtp-auth=(string)null,srtcp-cipher=(string)aes-128-gcm,srtcp-auth=(string)null",
    ].join(",");
    const from = ["udpsrc", `address=${GROUP}`, `port=${PORT}`, "multicast-iface=lo", "buffer-size=8388608"];
    const to = ["udpsink", "host=127.0.0.1", `port=${OUT}`, "sync=false", "async=false"];
    const pipeline = [...from, `caps=${caps}`, "!", "srtpdec", "!", "rtpmp2tdepay", "!", ...to];
    const child = spawn("gst-launch-1.0", ["-e", ...pipeline], { stdio: ["ignore", "pipe", "ignore"] });
    const exited = once(child, "exit");
    for await (const text of child.stdout) if (/New clock|PLAYING/.test(String(text))) break;
    return {
      pid: child.pid ?? 0,
      async stop() {
        child.kill("SIGINT");
        await exited;
      },
    };
  },
};

/** @param {string} media @param {number} rate @param {number} seconds @param {number} first @returns {Promise<number>} */
async function generated(media, rate, seconds, first) {
  const { key, vector } = sessionKeys();
  const args = [GROUP, PORT, rate, seconds, key, vector, first].map(String);
  return (await new Program(media, ["generate", ...args]).said()).sent;
}

/**
 * One stream through one contestant, from its start to its end.
 * @param {string} media
 * @param {Contestant} contestant
 * @param {number} rate packets a second
 * @param {number} seconds
 * @returns {Promise<Measured>}
 */
async function measure(media, { start }, rate, seconds) {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-stream-"));
  /** @type {Subject | undefined} */
  let subject;
  /** @type {Program | undefined} */
  let sink;
  try {
    subject = await start(folder);
    const warm = await generated(media, Math.min(rate, WARMING), 1, 0);
    await pause(300);
    sink = new Program(media, ["sink", String(OUT)]);
    await pause(100);
    const before = processorTime(subject.pid);
    const sent = await generated(media, rate, seconds, warm);
    await pause(300);
    const time = processorTime(subject.pid) - before;
    const memory = residentMemory(subject.pid);
    const { packets } = await sink.stop();
    sink = undefined;
    return { sent, through: packets, perPacket: (time * 1e6) / sent, percent: (100 * time) / seconds, memory };
  } finally {
    await subject?.stop();
    await sink?.stop();
    rmSync(folder, { recursive: true });
  }
}

/** The highest of the rates at which all came through, in one of three tries; 0 for none. @param {string} media @param {Contestant} contestant @param {{ rates: number[], seconds: number, tries: number }} how */
async function withoutLoss(media, contestant, { rates, seconds, tries }) {
  let highest = 0;
  for (const rate of rates) {
    let isWhole = false;
    for (let left = tries; left > 0 && !isWhole; left--) {
      const { sent, through } = await measure(media, contestant, rate, seconds);
      isWhole = sent === through;
    }
    if (!isWhole) break;
    highest = rate;
  }
  return highest;
}

/** Of three, the one that took least: what a busy machine adds is not theirs. @param {string} media @param {Contestant} contestant @param {{ seconds: number, tries: number }} how */
async function thriftiest(media, contestant, { seconds, tries }) {
  let best = await measure(media, contestant, USUAL, seconds);
  for (let left = tries - 1; left > 0; left--) {
    const next = await measure(media, contestant, USUAL, seconds);
    if (next.perPacket < best.perPacket) best = next;
  }
  return best;
}

/** @param {string} media @param {{ quick: boolean }} options */
export async function throughFigures(media, { quick }) {
  const rates = quick ? [5_000] : [20_000, 30_000, 45_000, 60_000, 80_000, 100_000, 130_000, 160_000];
  const how = quick ? { rates, seconds: 1, tries: 1 } : { rates, seconds: 3, tries: 3 };
  const ours = [settop("native", {}), settop("node", { cipher: "node", datagrams: "node" })];
  const lack = lackOfGStreamer();
  if (lack !== undefined) process.stdout.write(`GStreamer is not measured: ${lack}\n`);
  const others = [plainLoop(media), ...(lack === undefined ? [gstreamer] : [])];
  const results = new Map();
  for (const one of [...ours, ...others])
    results.set(one, { rate: await withoutLoss(media, one, how), cost: await thriftiest(media, one, how) });
  return ours.flatMap((one) =>
    others.flatMap((other) => compared(one.name, results.get(one), other.name, results.get(other))),
  );
}

/** @param {string} name @param {{ rate: number, cost: Measured }} ours @param {string} against @param {{ rate: number, cost: Measured }} theirs */
function compared(name, ours, against, theirs) {
  const cost = (/** @type {"perPacket" | "percent" | "memory"} */ what) => ({
    ours: ours.cost[what],
    against,
    theirs: theirs.cost[what],
  });
  return [
    { name: `settop.lossless.${name}`, unit: "packets/s", ours: ours.rate, against, theirs: theirs.rate },
    { name: `settop.per-packet.${name}`, unit: "us at 9,500/s", ...cost("perPacket") },
    { name: `settop.processor.${name}`, unit: "% at 9,500/s", ...cost("percent") },
    { name: `settop.memory.${name}`, unit: "MB at 9,500/s", ...cost("memory") },
  ];
}
