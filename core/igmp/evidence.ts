// The host tracking of one interface from both its sources. One of them is the evidence that is told; proof needs both.
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, earliest, type Instant } from "../base/time.ts";
import type { EvidenceSource } from "./interface-events.ts";
import {
  type HostChange,
  type HostLimits,
  type HostMembership,
  type HostStatement,
  HostTable,
  type TrackedHost,
} from "./tracking.ts";

/** Every call returns the changes of the evidence, and none of the other source. */
export class Evidence {
  /** Who said what the groups were made of, and who was heard by a tap. */
  readonly #tables: Readonly<Record<EvidenceSource, HostTable>>;
  #told: EvidenceSource;
  /** Tracking knows everybody once a membership interval has passed without a loss; undefined before the first start. */
  #completeFrom: Instant | undefined;

  constructor(told: EvidenceSource, limits: HostLimits) {
    this.#told = told;
    this.#tables = { packets: new HostTable(limits), frames: new HostTable(limits) };
  }

  get told(): EvidenceSource {
    return this.#told;
  }

  tell(source: EvidenceSource): void {
    this.#told = source;
  }

  /** New limits; nothing that is kept goes. */
  limit(limits: HostLimits): void {
    for (const table of Object.values(this.#tables)) table.limit(limits);
  }

  /** From now on it takes a membership interval, `lifetime`, until everybody has been heard. */
  start(now: Instant, lifetime: Duration): void {
    this.#completeFrom = after(now, lifetime);
  }

  hear(
    from: EvidenceSource,
    now: Instant,
    host: TrackedHost,
    said: HostStatement,
    lifetime: Duration,
  ): readonly HostChange[] {
    const changes = this.#tables[from].hear(now, host, said, lifetime);
    const lost = changes.some(({ kind }) => kind === "drop");
    if (lost) this.start(now, lifetime);
    return from === this.#told ? changes : [];
  }

  /** Whether `said` certainly leaves nobody. A frame may come later than its packet, so the packets must prove it too. */
  provesLast(now: Instant, address: Ipv4, said: HostStatement): boolean {
    if (this.#completeFrom === undefined || now < this.#completeFrom) return false;
    return Object.values(this.#tables).every((table) => table.wouldBeLast(address, said));
  }

  poll(now: Instant): readonly HostChange[] {
    return this.#both((table) => table.poll(now));
  }

  /** The link as a whole no longer wants the group. */
  endGroup(group: Ipv4): readonly HostChange[] {
    return this.#both((table) => table.endGroup(group));
  }

  /** The interface is down. */
  clear(): readonly HostChange[] {
    return this.#both((table) => table.clear());
  }

  memberships(): readonly HostMembership[] {
    return this.#tables[this.#told].memberships();
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#tables.packets.nextDeadline(), this.#tables.frames.nextDeadline()]);
  }

  #both(change: (table: HostTable) => readonly HostChange[]): readonly HostChange[] {
    const { packets, frames } = this.#tables;
    const changes = { packets: change(packets), frames: change(frames) };
    return changes[this.#told];
  }
}
