// The cards of those who send under an address that is not of their link: looked for when the router tells of one.
import type { Alarm } from "../../core/base/alarm.ts";
import { formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { after, type Duration, seconds } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { FrameOrigin, FrameOrigins } from "../../core/ports/frame-origin.ts";
import type { Intruder } from "../../core/router/intruders.ts";
import type { Logger } from "../shared/log.ts";

/** What the search stands on; without `origins` nobody is found. */
export interface OffendersPlatform {
  readonly clock: Clock;
  readonly origins?: FrameOrigins | undefined;
  readonly log: Logger;
}

/** For so long the next packet is waited for. */
const PATIENCE: Duration = seconds(60);
/** Searches at once: each is a socket. */
const SEARCHES = 8;
/** Cards remembered; as many as the router remembers intruders. */
const LIMIT = 64;

/** Bounded; until `close`. */
export class Offenders {
  readonly #platform: OffendersPlatform;
  readonly #searches = new Map<string, () => void>();
  readonly #found = new Map<string, FrameOrigin>();

  constructor(platform: OffendersPlatform) {
    this.#platform = platform;
  }

  /** The card that was last seen to send under this address there. */
  originOf(name: string, source: Ipv4): FrameOrigin | undefined {
    return this.#found.get(keyOf(name, source));
  }

  /** Looks for the card behind an intruder, whose address is its own choice. */
  lookFor(intruder: Intruder): void {
    const { name, source, group } = intruder;
    const key = keyOf(name, source);
    const { origins, clock, log } = this.#platform;
    if (origins === undefined || this.#searches.has(key) || this.#searches.size >= SEARCHES) return;
    try {
      const stop = origins.find(name, source, group, (origin) => this.#isFound(intruder, origin));
      const alarm: Alarm = clock.alarm(after(clock.now(), PATIENCE), () => this.#end(key));
      this.#searches.set(key, () => {
        alarm.cancel();
        stop();
      });
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      log.info({ interface: name, code: error.code, needs: error.needs }, error.message);
    }
  }

  close(): void {
    for (const key of [...this.#searches.keys()]) this.#end(key);
  }

  #isFound({ name, source, group }: Intruder, origin: FrameOrigin): void {
    const key = keyOf(name, source);
    this.#end(key);
    this.#found.delete(key);
    this.#found.set(key, origin);
    const [oldest] = this.#found.keys();
    if (this.#found.size > LIMIT && oldest !== undefined) this.#found.delete(oldest);
    this.#platform.log.warn(
      { interface: name, source: formatIpv4(source), group: formatIpv4(group), ...origin },
      "this card sends under an address that is not of its network",
    );
  }

  #end(key: string): void {
    this.#searches.get(key)?.();
    this.#searches.delete(key);
  }
}

const keyOf = (name: string, source: Ipv4): string => `${name},${source}`;
