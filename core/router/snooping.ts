// Snooping on the bridge ports of one downstream (RFC 4541): what each wants, and a question to all when the bridge changes.
import type { Ipv4 } from "../base/ipv4.ts";
import { after, earliest, type Instant, seconds } from "../base/time.ts";
import type { TableLimits } from "../igmp/group-table.ts";
import { type PortEffect, PortTable, type PortView } from "../igmp/port-table.ts";
import type { RouterInterface } from "../igmp/router-interface.ts";

/** Between two questions because of changes: ports that flap do not make us ask without end. */
const ASK_EVERY = seconds(1);

/** What the router is to do: for a port, or ask all hosts of the downstream at once. */
export type SnoopingEffect = PortEffect | { readonly kind: "ask" };

/** Of the one who asks on the downstream, `machine`, it takes the version, the times, and whether leaves are asked about. */
export class Snooping {
  readonly #machine: Pick<RouterInterface, "tableContext">;
  readonly #table: PortTable;
  #shape = "";
  #askAt: Instant | undefined;
  #mayAskFrom: Instant | undefined;

  /** @param limits of each port. */
  constructor(machine: Pick<RouterInterface, "tableContext">, limits: TableLimits) {
    this.#machine = machine;
    this.#table = new PortTable(limits);
  }

  frame(now: Instant, port: string, bytes: Uint8Array): readonly SnoopingEffect[] {
    return this.#table.frame(now, port, bytes, this.#machine.tableContext);
  }

  /**
   * The bridge as it is now. RFC 4541 2.1.1 (4): when its topology has changed, hosts may be behind other ports than before, and are
   * asked at once; changes that come together are one, and the last of them is asked about too.
   */
  bridge(now: Instant, ports: readonly string[], topology: string): readonly SnoopingEffect[] {
    const shape = `${ports.join()} ${topology}`;
    const before = this.#shape;
    this.#shape = shape;
    this.#table.keep(ports);
    // The first: the start of the interface asks.
    if (before === "" || before === shape) return [];
    this.#askAt = earliest([this.#askAt, latest(now, this.#mayAskFrom)]);
    return this.poll(now);
  }

  /** It is proven that nobody on the link wants the group any more. */
  endGroup(group: Ipv4): readonly SnoopingEffect[] {
    return this.#table.endGroup(group);
  }

  poll(now: Instant): readonly SnoopingEffect[] {
    const due = this.nextDeadline();
    if (due === undefined || due > now) return [];
    return [...this.#ask(now), ...this.#table.poll(now, this.#machine.tableContext)];
  }

  #ask(now: Instant): readonly SnoopingEffect[] {
    if (this.#askAt === undefined || this.#askAt > now) return [];
    this.#askAt = undefined;
    this.#mayAskFrom = after(now, ASK_EVERY);
    return [{ kind: "ask" }];
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#askAt, this.#table.nextDeadline()]);
  }

  view(now: Instant): readonly PortView[] {
    return this.#table.view(now, this.#machine.tableContext.version);
  }
}

const latest = (now: Instant, other: Instant | undefined): Instant =>
  other !== undefined && other > now ? other : now;
