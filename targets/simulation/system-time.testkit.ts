// Proof that a run has only simulated time and seeded chance: this machine's are out of reach while it goes on.
import crypto from "node:crypto";

type Holder = Record<string, unknown>;

/** Where time, timers and chance come from. setImmediate stays: it is how promises finish, and no time passes. */
const SOURCES: readonly (readonly [Holder, string])[] = [
  [globalThis as unknown as Holder, "setTimeout"],
  [globalThis as unknown as Holder, "setInterval"],
  [Date as unknown as Holder, "now"],
  [Math as unknown as Holder, "random"],
  [performance as unknown as Holder, "now"],
  [process as unknown as Holder, "hrtime"],
  [crypto as unknown as Holder, "randomBytes"],
  [crypto as unknown as Holder, "randomFillSync"],
];

/** Whoever asks this machine for the time or for chance while `work` goes on gets a RangeError. */
export async function withoutSystemTime<T>(work: () => Promise<T>): Promise<T> {
  const before = SOURCES.map(([holder, name]) => holder[name]);
  for (const [holder, name] of SOURCES)
    holder[name] = () => {
      throw new RangeError(`${name} is not for a simulation`);
    };
  try {
    return await work();
  } finally {
    for (const [i, [holder, name]] of SOURCES.entries()) holder[name] = before[i];
  }
}
