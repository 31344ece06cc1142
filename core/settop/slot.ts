// Where in the window of a notice (91) a device asks again (92), so that a million of them do not ask at once.
import { fnv1a } from "../base/hash.ts";
import { type Duration, milliseconds } from "../base/time.ts";

/** MurmurHash3's finaliser: ids that differ in their last digit land far apart. */
function spread(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The device's place in [0, window) for this epoch: the same for every repeat, another one for every epoch. */
export const slotOf = (device: string, epoch: number, window: Duration): Duration =>
  milliseconds((spread(fnv1a(`${device}/${epoch}`)) / 2 ** 32) * window);
