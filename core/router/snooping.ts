// Snooping on the bridge ports of one downstream (RFC 4541): what each wants, and a question to all when the bridge changes.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, earliest, type Instant, seconds } from "../base/time.ts";
import type { TableLimits } from "../igmp/group-table.ts";
import type { TrackedHost } from "../igmp/host-shares.ts";
import type { PortFrame } from "../igmp/interface-events.ts";
import { type PortDrop, type PortEffect, type PortsOwner, PortTable, type PortView } from "../igmp/port-table.ts";

/** Between two questions because of changes: ports that flap do not make us ask without end. */
const ASK_EVERY = seconds(1);

/** What the router is to do: for a port, or ask all hosts of the downstream at once; and to count. */
export type SnoopingEffect<A extends Address = Ipv4> = PortEffect<A> | PortDrop<A> | { readonly kind: "ask-all" };

/** Beside the downstream's machine, which asks, and says what holds of what is heard. */
export class Snooping<A extends Address = Ipv4> {
  readonly #table: PortTable<A>;
  /** Those of the bridge as it was told of last. */
  ports: readonly string[] = [];
  #shape = "";
  #askAt: Instant | undefined;
  #mayAskFrom: Instant | undefined;

  /** @param limits of each port. */
  constructor(machine: PortsOwner<A>, limits: TableLimits) {
    this.#table = new PortTable<A>(machine, limits);
  }

  frame(now: Instant, frame: PortFrame): readonly SnoopingEffect<A>[] {
    return this.#table.frame(now, frame);
  }

  /** The packet of a host behind a port was not honoured. */
  refused(now: Instant, host: TrackedHost<A>, group: A): readonly SnoopingEffect<A>[] {
    return this.#table.refused(now, host, group);
  }

  /**
   * The bridge as it is now. RFC 4541 2.1.1 (4): when its topology has changed, hosts may be behind other ports than before, and are
   * asked at once; changes that come together are one, and the last of them is asked about too.
   */
  bridge(now: Instant, ports: readonly string[], topology: string): readonly SnoopingEffect<A>[] {
    const shape = `${ports.join()} ${topology}`;
    const before = this.#shape;
    this.#shape = shape;
    this.ports = ports;
    const gone = this.#table.keep(ports);
    // The first: the start of the interface asks.
    if (before === "" || before === shape) return gone;
    this.#askAt = earliest([this.#askAt, latest(now, this.#mayAskFrom)]);
    return [...gone, ...this.poll(now)];
  }

  /** The downstream has other options. */
  settle(now: Instant): readonly SnoopingEffect<A>[] {
    return this.#table.settle(now);
  }

  /** It is proven that nobody on the link wants the group any more. */
  endGroup(group: A): readonly SnoopingEffect<A>[] {
    return this.#table.endGroup(group);
  }

  poll(now: Instant): readonly SnoopingEffect<A>[] {
    const due = this.nextDeadline();
    if (due === undefined || due > now) return [];
    return [...this.#ask(now), ...this.#table.poll(now)];
  }

  #ask(now: Instant): readonly SnoopingEffect<A>[] {
    if (this.#askAt === undefined || this.#askAt > now) return [];
    this.#askAt = undefined;
    this.#mayAskFrom = after(now, ASK_EVERY);
    return [{ kind: "ask-all" }];
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#askAt, this.#table.nextDeadline()]);
  }

  view(now: Instant): readonly PortView<A>[] {
    return this.#table.view(now);
  }
}

const latest = (now: Instant, other: Instant | undefined): Instant =>
  other !== undefined && other > now ? other : now;
