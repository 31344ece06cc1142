// Test support, run by `node` inside a namespace: sends frames that are almost IGMP, drawn by a seed.
// Usage: node targets/failures/hostile-frames.testkit.mjs INTERFACE ADDRESS GROUP FRAMES SEED
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { internetChecksum } from "../../build/core/base/checksum.js";
import { TYPE_OCTET } from "../../build/core/igmp/messages/offsets.js";
import { SeededEntropy } from "../../build/hal/entropy/seeded.js";

/** @type {typeof import("cap")} */
const { Cap } = createRequire(import.meta.url)("cap");

const [, , name = "", address = "", group = "", frames = "", seed = ""] = process.argv;
const BATCH = 200;
const own = readFileSync(`/sys/class/net/${name}/address`, "utf8").trim();
const source = Buffer.from(own.replaceAll(":", ""), "hex");
const octets = (/** @type {string} */ text) => Buffer.from(text.split(".").map(Number));
const entropy = new SeededEntropy(Number(seed));

/** 0 to limit - 1. */
const below = (/** @type {number} */ limit) => Math.floor(entropy.below(limit));

const random = (/** @type {number} */ length) => Buffer.from(Array.from({ length }, () => below(256)));
const anyGroup = () => (below(4) === 0 ? octets(group) : Buffer.from([239, 1, below(256), below(256)]));

/**
 * @template T
 * @param {readonly T[]} list
 * @returns {T}
 */
function oneOf(list) {
  const one = list[below(list.length)];
  if (one === undefined) throw new RangeError("nothing to choose from");
  return one;
}

function summed(/** @type {Buffer} */ bytes, /** @type {number} */ at) {
  bytes.writeUInt16BE(0, at);
  bytes.writeUInt16BE(internetChecksum(bytes), at);
  return bytes;
}

const short = (/** @type {number} */ type) => Buffer.concat([Buffer.from([type, below(256), 0, 0]), anyGroup()]);

function report(/** @type {Buffer[]} */ records, told = records.length) {
  const head = Buffer.from([TYPE_OCTET.v3Report, 0, 0, 0, 0, 0, told >> 8, told & 255]);
  return Buffer.concat([head, ...records]);
}

function record(/** @type {number} */ sources, told = sources) {
  const head = Buffer.from([1 + below(8), below(2), told >> 8, told & 255]);
  return Buffer.concat([head, anyGroup(), random(4 * sources)]);
}

const MESSAGES = [
  () => random(below(64)),
  () => Buffer.concat([Buffer.from([below(256)]), random(8 + below(40))]),
  () => short(TYPE_OCTET.v2Report),
  () => short(TYPE_OCTET.v1Report),
  () => short(TYPE_OCTET.leave),
  () => Buffer.concat([short(TYPE_OCTET.query), random(below(2) * 4), random(below(20))]),
  () => report([record(below(4)), record(below(4))]),
  () => report([record(1, 60_000)]),
  () => report([record(0)], 60_000),
  () => report([record(300)]),
  () => report([random(below(30))], below(5)),
];

function packet() {
  const message = oneOf(MESSAGES)();
  if (message.length >= 4 && below(8) > 0) summed(message, 2);
  const from = below(3) === 0 ? Buffer.from([10, 2, 0, 20 + below(200)]) : octets(address);
  const head = Buffer.concat([
    Buffer.from([0x46, 0xc0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0]),
    below(20) === 0 ? random(4) : from,
    octets(oneOf([group, "224.0.0.22", "224.0.0.2", "224.0.0.1"])),
    Buffer.from([0x94, 4, 0, 0]),
  ]);
  head.writeUInt16BE(head.length + message.length, 2);
  if (below(8) === 0) head[below(12)] = below(256);
  if (below(10) > 0) summed(head, 10);
  const whole = Buffer.concat([head, message]);
  return below(10) === 0 ? whole.subarray(0, below(whole.length)) : whole;
}

function frame() {
  const data = packet();
  const to = Buffer.from([1, 0, 0x5e, 0, 0, oneOf([22, 2, 1])]);
  return Buffer.concat([to, source, Buffer.from([8, 0]), data]);
}

const cap = new Cap();
// It only sends: the addon does not survive to hear what it sends at this rate.
cap.open(name, "ether proto 0x88b5", 65_536, Buffer.alloc(65_536));
let sent = 0;

function sendBatch() {
  for (let n = 0; n < BATCH && sent < Number(frames); n++, sent++) {
    const octetsOfFrame = frame();
    cap.send(octetsOfFrame, octetsOfFrame.length);
  }
  if (sent < Number(frames)) {
    setTimeout(sendBatch, 10);
    return;
  }
  cap.close();
  process.stdout.write(`sent ${sent}\n`);
}

sendBatch();
