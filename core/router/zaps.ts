// Zapping as it happens: a host leaves one group and joins another within five seconds, in either order.
import type { Address, AddressFamily } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, type Instant, seconds } from "../base/time.ts";
import type { TrackedHost } from "../igmp/host-shares.ts";
import type { HostMembership } from "../igmp/host-table.ts";

type Change = "joined" | "left";

interface Step<A extends Address = Ipv4> {
  readonly change: Change;
  readonly group: A;
  readonly at: Instant;
}

const TOGETHER: Duration = seconds(5);
/** Hosts whose last step is remembered, and groups that are counted; whoever was quiet longest goes. */
const MOST_HOSTS = 4096;
const MOST_GROUPS = 1024;

/** Counts of one interface. */
export class Zaps<A extends Address = Ipv4> {
  readonly #family: AddressFamily<A>;
  readonly #steps = new Map<string | A, Step<A>>();
  readonly #groups = new Map<A, number>();
  #total = 0;

  constructor(family: AddressFamily<A>) {
    this.#family = family;
  }

  /** All zaps since the start. */
  get total(): number {
    return this.#total;
  }

  /** The zaps into a group since it was first zapped to, or since it was forgotten among 1024 others. */
  into(group: A): number {
    return this.#groups.get(group) ?? 0;
  }

  /** Takes a join, or a leave that the host itself has told. */
  note(now: Instant, change: Change, { host, group }: Pick<HostMembership<A>, "host" | "group">): void {
    if (this.#family.isLinkLocalMulticast(group)) return;
    const key = keyOf(host);
    const last = this.#steps.get(key);
    this.#steps.delete(key);
    if (last !== undefined && isPair(last, { change, group, at: now })) {
      // Both steps are used up: three steps are not two zaps.
      this.#count(change === "joined" ? group : last.group);
      return;
    }
    this.#steps.set(key, { change, group, at: now });
    trim(this.#steps, MOST_HOSTS);
  }

  #count(group: A): void {
    const times = this.into(group) + 1;
    this.#total++;
    this.#groups.delete(group);
    this.#groups.set(group, times);
    trim(this.#groups, MOST_GROUPS);
  }
}

/** With a MAC, all its addresses are one host. */
const keyOf = <A extends Address>({ mac, address }: TrackedHost<A>): string | A => (mac === "" ? address : mac);

const isPair = <A extends Address>(last: Step<A>, next: Step<A>): boolean =>
  last.change !== next.change && last.group !== next.group && next.at <= after(last.at, TOGETHER);

function trim<Key>(map: Map<Key, unknown>, most: number): void {
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}
