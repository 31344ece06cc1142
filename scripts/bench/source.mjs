// What source authentication costs a packet: at the headend (digest, a signature for 64) and at the set-top (digest, look-up, a check of a
// signature for 64), beside the encryption or decryption of the same packet; and what a rogue member's packet costs.
import { randomBytes } from "node:crypto";
import { instant, milliseconds } from "../../build/core/base/time.js";
import { StreamReceiver } from "../../build/core/stream/receiver.js";
import { writeRtpHeader } from "../../build/core/stream/rtp.js";
import { StreamSender } from "../../build/core/stream/sender.js";
import { SigningLine } from "../../build/core/stream/signing-line.js";
import { SourceGate } from "../../build/core/stream/source-gate.js";
import { nodeCiphers } from "../../build/hal/cipher/node.js";
import { NodePrimitives } from "../../build/hal/primitives/node.js";
import { median } from "./support/measure.mjs";

const CLEAR = 12 + 1316;
const STREAM = /** @type {const} */ ({ suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 1 });
const primitives = new NodePrimitives();
const signer = primitives.ed25519Generate();
const key = randomBytes(16);
const salt = randomBytes(12);

/** Microseconds that `work` takes of each of `count`. */
function timed(/** @type {number} */ count, /** @type {() => void} */ work) {
  const begin = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - begin) / 1000 / count;
}

/** One round: every part with packets of its own, all of them counted. */
function round(/** @type {number} */ count) {
  const sender = new StreamSender({ ...STREAM, ciphers: nodeCiphers, firstIndex: 0 });
  sender.install(1, key, salt);
  sender.switchTo(1);
  const packets = Array.from({ length: count }, (_, i) => {
    const packet = new Uint8Array(CLEAR + sender.trailerLength);
    packet.set(randomBytes(1316), 12);
    writeRtpHeader(packet, 33, i);
    return packet;
  });
  const protect = timed(count, () => {
    for (const packet of packets) sender.protect(packet, CLEAR);
  });
  /** @type {Uint8Array[]} */
  const wire = [];
  const stream = { channel: "news", ssrc: STREAM.ssrc };
  const window = milliseconds(50);
  const line = new SigningLine({
    primitives,
    stream,
    signingKey: signer.privateKey,
    window,
    send: (datagram) => void wire.push(datagram),
  });
  line.install(1, key, salt);
  line.switchTo(instant(0), 1);
  // 100 Mbit/s.
  const sign = timed(count, () => {
    for (const [i, packet] of packets.entries()) {
      line.push(instant(i / 9.5), packet, () => {});
      line.poll(instant(i / 9.5));
    }
    line.poll(instant(count / 9.5 + 1000));
  });
  const forged = Array.from({ length: count }, () => randomBytes(CLEAR + sender.trailerLength));
  let passed = 0;
  const gate = new SourceGate({
    primitives,
    stream,
    signer: signer.publicKey,
    uncovered: "drop",
    patience: milliseconds(100),
    most: 64,
    pass: () => void passed++,
  });
  gate.install(1, key, salt);
  const check = timed(count, () => {
    for (const datagram of wire) gate.datagram(instant(0), datagram);
  });
  if (passed !== count) throw new Error(`${passed} of ${count} packets passed`);
  const refuse = timed(count, () => {
    for (const packet of forged) gate.datagram(instant(0), packet);
  });
  const receiver = new StreamReceiver({ ...STREAM, ciphers: nodeCiphers });
  receiver.install(1, key, salt);
  receiver.position(0, 0);
  const unprotect = timed(count, () => {
    for (const packet of packets) receiver.unprotect(packet);
  });
  return { protect, sign, check, refuse, unprotect };
}

/** @param {{ quick?: boolean }} [options] */
export async function run({ quick = false } = {}) {
  const rounds = Array.from({ length: quick ? 2 : 9 }, () => round(quick ? 640 : 6400)).slice(1);
  const of = (/** @type {keyof ReturnType<typeof round>} */ part) => median(rounds.map((one) => one[part]));
  const encryption = { unit: "us/packet", against: "SRTP encryption by node:crypto", theirs: of("protect") };
  const decryption = { unit: "us/packet", against: "SRTP decryption by node:crypto", theirs: of("unprotect") };
  return [
    { name: "source authentication at the headend", ...encryption, ours: of("sign") },
    { name: "source authentication at the set-top", ...decryption, ours: of("check") },
    { name: "source authentication, a forged packet", ...decryption, ours: of("refuse") },
  ];
}
