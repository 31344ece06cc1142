// What hosts report, kept from crossing the bridges of a simulated node; the last word stands by the machine's own clock.
import { after, type Duration, type Instant } from "../../core/base/time.ts";
import { checkPacket } from "../../core/igmp/messages/packet.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type {
  FilteredBridge,
  ReportFilter,
  ReportFilterListener,
  ReportFilters,
} from "../../core/ports/report-filter.ts";
import type { SimulatedNode } from "../simulation/node.ts";

/** One machine's filters. */
export class SimulatedReportFilters implements ReportFilters {
  readonly #clock: Clock;
  /** Of each port, how long reports stay behind it. */
  readonly #until = new Map<string, Instant>();

  constructor(clock: Clock, node?: SimulatedNode) {
    this.#clock = clock;
    node?.bridgeFilters.add((port, packet) => packet.kind !== "igmp" || this.lets(port, packet.bytes));
  }

  open(_which: FilteredBridge, listener: ReportFilterListener): ReportFilter {
    let mine: readonly string[] = [];
    const end = (ports: readonly string[]): void => {
      for (const port of ports) this.#until.delete(port);
    };
    return {
      keep: (ports, span) => {
        end(mine);
        mine = ports.map(({ port }) => port);
        this.#keep(mine, span);
        listener.inForce();
      },
      close: async () => end(mine),
    };
  }

  #keep(ports: readonly string[], span: Duration): void {
    for (const port of ports) this.#until.set(port, after(this.#clock.now(), span));
  }

  /** Whether a packet that came in by the port crosses the bridge. */
  lets(port: string, packet: Uint8Array): boolean {
    const until = this.#until.get(port);
    if (until === undefined || this.#clock.now() >= until) return true;
    const message = checkPacket(packet);
    return typeof message === "string" || message.kind.endsWith("Query");
  }
}
