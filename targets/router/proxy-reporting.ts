// Proxy reporting of the router's bridges: while hosts' reports are kept within a bridge, and only then, the machine speaks to routers.
import type { Alarm } from "../../core/base/alarm.ts";
import { after, type Duration, milliseconds, seconds } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { HalError } from "../../core/ports/errors.ts";
import type { Link } from "../../core/ports/links.ts";
import type { KeptPort, ReportFilter, ReportFilters } from "../../core/ports/report-filter.ts";
import { explain } from "../shared/exit.ts";
import type { Logger } from "../shared/log.ts";

/** What it stands on. */
export interface ProxyReportingPlatform {
  readonly clock: Clock;
  readonly log: Logger;
  readonly filters: ReportFilters;
  /** At these ports routers are to be told in place of hosts; undefined: nowhere, as they hear the hosts. */
  speakAt(bridge: string, ports: readonly string[] | undefined): void;
  /** How the bridge's ports carry its frames. */
  lan(bridge: string): Pick<Link, "vlan" | "portVlans"> | undefined;
  /** How often routers ask on the bridge. */
  queryInterval(bridge: string): Duration;
  /** Within which all its hosts have said what they want, once we speak for them. */
  settling(bridge: string): Duration;
}

/** A bridge whose hosts are spoken for. */
export interface ProxiedBridge {
  readonly name: string;
  /** The tag that its frames may bear on its ports. */
  readonly vlan?: number | undefined;
}

function keptPort(port: string, { vlan, portVlans }: Pick<Link, "vlan" | "portVlans"> = {}): KeptPort {
  const how = portVlans?.[port];
  return vlan === undefined || how === undefined ? { port } : { port, vlan: { id: vlan, untagged: how.untagged } };
}

/** A filter that nobody names anew ends after so long at most. */
const LONGEST: Duration = seconds(30);

interface Kept {
  readonly filter: ReportFilter;
  ports: readonly string[];
  routers: readonly string[];
  state: "settling" | "keeping" | "in force" | "failed";
  alarm: Alarm | undefined;
}

/** "no router" is known, "starting", "in force", or the code of what is wrong: then hosts' reports cross the bridge as they do without it. */
type ProxyState = string;

/** Until `close`. */
export class ProxyReporting {
  readonly #platform: ProxyReportingPlatform;
  readonly #bridges: ReadonlyMap<string, ProxiedBridge>;
  readonly #kept = new Map<string, Kept>();
  readonly #faults = new Map<string, string>();
  readonly #closing = new Set<Promise<void>>();

  constructor(platform: ProxyReportingPlatform, bridges: readonly ProxiedBridge[]) {
    this.#platform = platform;
    this.#bridges = new Map(bridges.map((one) => [one.name, one]));
  }

  /** The bridge has these ports, and behind some of them are routers; without any there is nobody to tell, and nothing to keep. */
  follow(name: string, ports: readonly string[], routers: readonly string[]): void {
    const bridge = this.#bridges.get(name);
    if (bridge === undefined) return;
    if (routers.length === 0) {
      this.leave(name);
      return;
    }
    const kept = this.#kept.get(name) ?? this.#open(bridge);
    const hasOtherPorts = kept.ports.join() !== ports.join();
    kept.ports = ports;
    kept.routers = routers;
    if (kept.state !== "failed") this.#platform.speakAt(name, routers);
    if (kept.state !== "settling" && hasOtherPorts) this.#keep(name, kept);
  }

  /** Routers hear the hosts for as long as we may not know what these want: nobody is forgotten because we have just come. */
  #open({ name, vlan }: ProxiedBridge): Kept {
    const { clock, settling } = this.#platform;
    const filter = this.#platform.filters.open(
      { bridge: name, vlan },
      {
        inForce: () => this.#inForce(name),
        failed: (error) => this.#failed(name, error),
      },
    );
    const kept: Kept = { filter, ports: [], routers: [], state: "settling", alarm: undefined };
    kept.alarm = clock.alarm(after(clock.now(), settling(name)), () => {
      kept.state = "keeping";
      this.#keep(name, kept);
    });
    this.#kept.set(name, kept);
    return kept;
  }

  /**
   * Who is killed leaves routers without reports until the filter ends: not for longer than one question, as they forget who has not
   * answered two (RFC 3376 8.4).
   */
  #keep(name: string, kept: Kept): void {
    const { clock, queryInterval } = this.#platform;
    const span = milliseconds(Math.min(LONGEST, queryInterval(name)));
    kept.alarm?.cancel();
    kept.alarm = clock.alarm(after(clock.now(), milliseconds(span / 3)), () => this.#keep(name, kept));
    const lan = this.#platform.lan(name);
    kept.filter.keep(
      kept.ports.map((port) => keptPort(port, lan)),
      span,
    );
  }

  #inForce(name: string): void {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    kept.state = "in force";
    this.#faults.delete(name);
    this.#platform.log.info(
      { interface: name },
      "hosts' reports stay within the bridge, and routers are told in their place",
    );
    this.#platform.speakAt(name, kept.routers);
  }

  #failed(name: string, error: HalError): void {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    kept.state = "failed";
    const { code, needs } = error;
    if (this.#faults.get(name) !== code) this.#platform.log.warn({ interface: name, code, needs }, explain(error));
    this.#faults.set(name, code);
    this.#platform.speakAt(name, undefined);
  }

  /** Nobody hears the hosts of the bridge any more: routers have to hear them. */
  leave(name: string): void {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    kept.alarm?.cancel();
    this.#kept.delete(name);
    this.#faults.delete(name);
    this.#platform.speakAt(name, undefined);
    const closing = kept.filter.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** undefined where hosts are not spoken for. */
  state(name: string): ProxyState | undefined {
    if (!this.#bridges.has(name)) return undefined;
    const kept = this.#kept.get(name);
    if (kept === undefined) return "no router";
    return this.#faults.get(name) ?? (kept.state === "in force" ? "in force" : "starting");
  }

  async close(): Promise<void> {
    for (const name of [...this.#kept.keys()]) this.leave(name);
    await Promise.all(this.#closing);
  }
}
