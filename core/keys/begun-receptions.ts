// What a device may begin: every new reception leaves a row on the reception server's disk, and its id is the device's to choose.
import { type Instant, seconds } from "../base/time.ts";
import { Allowance } from "../control/allowance.ts";
import { Recent } from "../control/recent.ts";

/** Faster than anybody zaps for long. */
const RATE = { burst: 32, spacing: seconds(1) };
const DEVICES = 65_536;
/** Receptions of one device that are known as begun: more than it has at once. */
const KNOWN = 16;

export class BegunReceptions {
  readonly #rate = new Allowance(RATE);
  readonly #known = new Recent<string, string[]>(DEVICES);

  /** False when the device names new receptions too fast. One that it has named lately costs nothing. */
  admit(now: Instant, device: string, reception: string): boolean {
    const known = this.#known.get(device) ?? [];
    if (known.includes(reception)) return true;
    if (!this.#rate.take(now, device)) return false;
    this.#known.set(device, [...known.slice(1 - KNOWN), reception]);
    return true;
  }
}
