// The set-top's decrypt loop (whole SRTP: gate, MKI, replay window, AES-128-GCM in place) beside bare node:crypto GCM of as many octets.
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import { StreamReceiver } from "../../build/core/stream/receiver.js";
import { writeRtpHeader } from "../../build/core/stream/rtp.js";
import { StreamSender } from "../../build/core/stream/sender.js";
import { nobleCiphers } from "../../build/hal/cipher/noble.js";
import { nodeCiphers } from "../../build/hal/cipher/node.js";

const PACKETS = 4000;
const ROUNDS = 9;
const PAYLOAD = 1316;
const CLEAR = 12 + PAYLOAD;
const TRAILER = 20;
const STREAM = /** @type {const} */ ({ suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 1 });

const key = randomBytes(16);
const salt = randomBytes(12);

/** PACKETS protected packets, one after another. */
function protectedStream() {
  const sender = new StreamSender({ ...STREAM, ciphers: nodeCiphers, firstIndex: 0 });
  sender.install(1, key, salt);
  sender.switchTo(1);
  const stream = new Uint8Array(PACKETS * (CLEAR + TRAILER));
  for (let i = 0; i < PACKETS; i++) {
    const packet = stream.subarray(i * (CLEAR + TRAILER), (i + 1) * (CLEAR + TRAILER));
    packet.set(randomBytes(PAYLOAD), 12);
    writeRtpHeader(packet, 33, i);
    sender.protect(packet, CLEAR);
  }
  return stream;
}

/** The same number of the same size, sealed by node:crypto alone. */
function bareStream() {
  const secret = createSecretKey(key);
  return Array.from({ length: PACKETS }, () => {
    const packet = randomBytes(CLEAR + 16);
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-128-gcm", secret, iv).setAAD(packet.subarray(0, 12));
    packet.set(cipher.update(packet.subarray(12, CLEAR)), 12);
    cipher.final();
    packet.set(cipher.getAuthTag(), CLEAR);
    return {
      iv,
      header: packet.subarray(0, 12),
      text: packet.subarray(12, CLEAR),
      tag: packet.subarray(CLEAR, CLEAR + 16),
    };
  });
}

/** Microseconds a packet of `work`, which handles PACKETS of them. */
function timed(/** @type {() => void} */ work) {
  const begin = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - begin) / 1000 / PACKETS;
}

/** @param {import("../../core/ports/cipher.ts").Ciphers} ciphers */
function loopOf(/** @type {Uint8Array} */ stream, ciphers) {
  const received = new Uint8Array(stream.length);
  return () => {
    received.set(stream);
    const packets = Array.from({ length: PACKETS }, (_, i) =>
      received.subarray(i * (CLEAR + TRAILER), (i + 1) * (CLEAR + TRAILER)),
    );
    const receiver = new StreamReceiver({ ...STREAM, ciphers });
    receiver.install(1, key, salt);
    receiver.position(0, 0);
    const spent = timed(() => {
      for (const packet of packets) receiver.unprotect(packet);
    });
    if (receiver.statistics.received !== PACKETS) throw new Error("the loop did not decrypt every packet");
    return spent;
  };
}

function bareLoop() {
  const secret = createSecretKey(key);
  const stream = bareStream();
  return () =>
    timed(() => {
      for (const { iv, header, text, tag } of stream) {
        const decipher = createDecipheriv("aes-128-gcm", secret, iv, { authTagLength: 16 });
        decipher.setAAD(header);
        decipher.setAuthTag(tag);
        decipher.update(text);
        decipher.final();
      }
    });
}

const median = (/** @type {number[]} */ values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

export async function run() {
  const stream = protectedStream();
  const loops = { noble: loopOf(stream, nobleCiphers), node: loopOf(stream, nodeCiphers), bare: bareLoop() };
  /** @type {Record<"noble" | "node" | "bare", number[]>} */
  const spent = { noble: [], node: [], bare: [] };
  for (let round = -1; round < ROUNDS; round++) {
    for (const name of /** @type {const} */ (["noble", "node", "bare"])) {
      const figure = loops[name]();
      if (round >= 0) spent[name].push(figure);
    }
  }
  const against = "bare node:crypto AES-128-GCM";
  const theirs = median(spent.bare);
  return [
    { name: "decrypt loop, noble in place", unit: "us/packet", ours: median(spent.noble), against, theirs },
    { name: "decrypt loop, node:crypto", unit: "us/packet", ours: median(spent.node), against, theirs },
  ];
}
