// Microseconds of processor time that a packet of 1316 octets takes, protected and unprotected: whole SRTP (header, MKI, replay window,
// cipher) with each cipher driver, beside libsrtp2 as the distribution has it, and bare OpenSSL in C.
import { randomBytes } from "node:crypto";
import { StreamReceiver } from "../../../build/core/stream/receiver.js";
import { RTP_HEADER, writeRtpHeader } from "../../../build/core/stream/rtp.js";
import { StreamSender } from "../../../build/core/stream/sender.js";
import { lengthsOf, SUITES, trailerLength } from "../../../build/core/stream/suites.js";
import { loadNativeCiphers } from "../../../build/hal/cipher/native.js";
import { nobleCiphers } from "../../../build/hal/cipher/noble.js";
import { nodeCiphers } from "../../../build/hal/cipher/node.js";
import { lackOfLibsrtp, mediaSays } from "./programs.mjs";

const CLEAR = RTP_HEADER + 1316;
const SSRC = 9;
const MKI = /** @type {const} */ (4);

/** @typedef {import("../../../core/stream/suites.ts").Suite} Suite */
/** @typedef {import("../../../core/ports/cipher.ts").Ciphers} Ciphers */
/** @typedef {{ protect: number, unprotect: number }} Costs */

/** Microseconds of processor time a packet. @param {number} packets @param {() => void} work */
function spent(packets, work) {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / packets;
}

/** One driver and suite: what is timed, a round of each. @param {Ciphers} ciphers @param {Suite} suite @param {number} packets */
function bench(ciphers, suite, packets) {
  const { key: keyLength, salt: saltLength } = lengthsOf(suite);
  const [key, salt] = [randomBytes(keyLength), randomBytes(saltLength)];
  const size = CLEAR + trailerLength(suite, MKI);
  const stream = new Uint8Array(packets * size);
  const views = Array.from({ length: packets }, (_, i) => stream.subarray(i * size, (i + 1) * size));
  const options = { ciphers, suite, mkiLength: MKI, ssrc: SSRC };
  for (const view of views) writeRtpHeader(view, 33, 0);
  return {
    protect() {
      const sender = new StreamSender({ ...options, firstIndex: 0 });
      sender.install(1, key, salt);
      sender.switchTo(1);
      return spent(packets, () => {
        for (const view of views) sender.protect(view, CLEAR);
      });
    },
    /** Of what was protected in the round before. */
    unprotect() {
      const receiver = new StreamReceiver(options);
      receiver.install(1, key, salt);
      receiver.position(0, 0);
      const cost = spent(packets, () => {
        for (const view of views) receiver.unprotect(view);
      });
      if (receiver.statistics.received !== packets) throw new Error("not every packet was opened");
      return cost;
    },
  };
}

/** The least of several rounds: what a busy machine adds is not ours. @param {ReturnType<typeof bench>} of @param {number} rounds @returns {Costs} */
function least(of, rounds) {
  const costs = { protect: Number.POSITIVE_INFINITY, unprotect: Number.POSITIVE_INFINITY };
  for (let round = 0; round < rounds; round++) {
    costs.protect = Math.min(costs.protect, of.protect());
    costs.unprotect = Math.min(costs.unprotect, of.unprotect());
  }
  return costs;
}

/** @param {string} driver @param {Suite} suite @param {Costs} ours @param {string} against @param {Costs} theirs */
const figures = (driver, suite, ours, against, theirs) =>
  /** @type {const} */ (["protect", "unprotect"]).map((what) => ({
    name: `${what}.${suite}.${driver}`,
    unit: "us/packet",
    ours: ours[what],
    against,
    theirs: theirs[what],
  }));

/** @param {string} media @param {{ quick: boolean }} how */
export async function cipherFigures(media, { quick }) {
  const [packets, rounds] = quick ? [500, 2] : [4000, 9];
  const drivers = { native: await loadNativeCiphers(), node: nodeCiphers, noble: nobleCiphers };
  if (lackOfLibsrtp !== undefined) process.stdout.write(`libsrtp2 is not measured: ${lackOfLibsrtp}\n`);
  const evp = mediaSays(media, ["evp", "00".repeat(16), "00".repeat(12), String(packets)]);
  return SUITES.flatMap((suite) => {
    const libsrtp = lackOfLibsrtp === undefined ? mediaSays(media, ["libsrtp", suite, String(packets)]) : undefined;
    return Object.entries(drivers).flatMap(([name, ciphers]) => {
      const ours = least(bench(ciphers, suite, packets), rounds);
      return [
        ...(libsrtp === undefined ? [] : figures(name, suite, ours, "libsrtp2", libsrtp)),
        ...(suite === "AEAD_AES_128_GCM" ? figures(name, suite, ours, "bare EVP in C", evp) : []),
      ];
    });
  });
}
