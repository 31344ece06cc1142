// What the sockets of a simulated node have joined, merged per interface and group as RFC 3376 section 3.2 says.
import type { Ipv4 } from "../../core/base/ipv4.ts";
import { ANY_SOURCE } from "../../core/igmp/filter.ts";

/** The interface state of one group: sockets here only join whole groups or single sources, so EXCLUDE never names sources. */
export interface InterfaceFilter {
  readonly mode: "include" | "exclude";
  /** INCLUDE of no sources is no membership. */
  readonly sources: readonly Ipv4[];
}

/** Hears what an interface as a whole wants of a group now. */
export type MembershipWatcher = (interfaceName: string, group: Ipv4, filter: InterfaceFilter) => void;

interface Count {
  anySource: number;
  readonly sources: Map<Ipv4, number>;
}

/** What the kernel of one node would keep. */
export class NodeMemberships {
  readonly watchers = new Set<MembershipWatcher>();
  readonly #interfaces = new Map<string, Map<Ipv4, Count>>();

  add(interfaceName: string, group: Ipv4, source: Ipv4 | undefined): void {
    this.#change(interfaceName, group, source, 1);
  }

  remove(interfaceName: string, group: Ipv4, source: Ipv4 | undefined): void {
    this.#change(interfaceName, group, source, -1);
  }

  filter(interfaceName: string, group: Ipv4): InterfaceFilter {
    return filterOf(this.#interfaces.get(interfaceName)?.get(group));
  }

  /** All groups joined on an interface. */
  groups(interfaceName: string): readonly Ipv4[] {
    return [...(this.#interfaces.get(interfaceName)?.keys() ?? [])];
  }

  #change(interfaceName: string, group: Ipv4, source: Ipv4 | undefined, by: number): void {
    const groups = this.#interfaces.get(interfaceName) ?? new Map<Ipv4, Count>();
    this.#interfaces.set(interfaceName, groups);
    const count = groups.get(group) ?? { anySource: 0, sources: new Map() };
    groups.set(group, count);
    const before = JSON.stringify(filterOf(count));
    adjust(count, source, by);
    if (count.anySource === 0 && count.sources.size === 0) groups.delete(group);
    if (JSON.stringify(filterOf(count)) !== before)
      for (const watcher of this.watchers) watcher(interfaceName, group, filterOf(count));
  }
}

function adjust(count: Count, source: Ipv4 | undefined, by: number): void {
  if (source === undefined) {
    count.anySource += by;
    return;
  }
  const left = (count.sources.get(source) ?? 0) + by;
  if (left > 0) count.sources.set(source, left);
  else count.sources.delete(source);
}

/** 3.2: any EXCLUDE record makes the interface EXCLUDE; else the union of the included sources. */
function filterOf(count: Count | undefined): InterfaceFilter {
  if (count === undefined) return { mode: "include", sources: [] };
  if (count.anySource > 0) return ANY_SOURCE;
  return { mode: "include", sources: [...count.sources.keys()].sort((a, b) => a - b) };
}
