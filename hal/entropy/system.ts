// The system's random source.
import { randomBytes } from "node:crypto";
import type { Entropy } from "../../core/ports/entropy.ts";

const MANTISSA = 2 ** 53;

/** Unpredictable octets of node:crypto; for keys too. */
export const systemEntropy: Entropy = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  below(limit) {
    const draw = randomBytes(8).readBigUInt64BE() >> 11n;
    return (Number(draw) / MANTISSA) * limit;
  },
};
