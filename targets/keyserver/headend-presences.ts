// What the headends say of themselves: up, stopped, lost, and which alarms are raised there.
import { seconds } from "../../core/base/time.ts";
import { Allowance } from "../../core/control/allowance.ts";
import type { Presence } from "../../core/control/presence.ts";
import type { HalError } from "../../core/ports/errors.ts";
import type { BusConnection, Platform } from "../shared/machine-on-bus.ts";

/** Of each headend so many lines in the log at once; status has it all. */
const LINES = { burst: 16, spacing: seconds(30) };

/** Of the headends that are known; who is not is not remembered. */
export class HeadendPresences {
  readonly #isKnown: (id: string) => boolean;
  readonly #platform: Pick<Platform, "clock" | "log">;
  readonly #lines = new Allowance(LINES);
  readonly #presences = new Map<string, Presence>();

  constructor(isKnown: (id: string) => boolean, platform: Pick<Platform, "clock" | "log">) {
    this.#isKnown = isKnown;
    this.#platform = platform;
  }

  /** From now on. A broker that does not allow it is a line in the log: keys are served all the same. */
  watch(bus: Pick<BusConnection, "watchPresence">): void {
    bus
      .watchPresence("headend", (id, presence) => this.#heard(id, presence))
      .catch(({ code, message }: HalError) => {
        this.#platform.log.warn({ code }, `alarms of headends are not heard: ${message}`);
      });
  }

  /** By headend, those that are still known. */
  status(): Readonly<Record<string, Presence>> {
    return Object.fromEntries([...this.#presences].filter(([id]) => this.#isKnown(id)));
  }

  #heard(id: string, presence: Presence): void {
    if (!this.#isKnown(id)) return;
    const before = this.#presences.get(id);
    this.#presences.set(id, presence);
    for (const alarm of presence.alarms)
      if (before?.alarms.includes(alarm) !== true) this.#say("warn", id, { alarm }, `headend ${id}: ${alarm}`);
    // One that is lost has mended nothing.
    for (const alarm of presence.state === "up" ? (before?.alarms ?? []) : [])
      if (!presence.alarms.includes(alarm)) this.#say("info", id, { alarm }, `headend ${id}: over: ${alarm}`);
    if (presence.state !== before?.state)
      this.#say(presence.state === "lost" ? "warn" : "info", id, {}, `headend ${id} is ${presence.state}`);
  }

  #say(level: "info" | "warn", headend: string, fields: object, text: string): void {
    const { clock, log } = this.#platform;
    log[this.#lines.take(clock.now(), headend) ? level : "debug"]({ headend, ...fields }, text);
  }
}
