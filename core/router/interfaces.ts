// The interfaces of one router, by name, and which of them a group comes from.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Downstream } from "./downstream.ts";
import { type Upstream, upstreamOf } from "./upstream.ts";

/** Which there are stays as it was at the start. */
export class Interfaces<A extends Address = Ipv4> {
  readonly downstreams: ReadonlyMap<string, Downstream<A>>;
  readonly upstreams: ReadonlyMap<string, Upstream<A>>;

  constructor(downstreams: readonly Downstream<A>[], upstreams: readonly Upstream<A>[]) {
    this.downstreams = new Map(downstreams.map((one) => [one.name, one]));
    this.upstreams = new Map(upstreams.map((one) => [one.name, one]));
  }

  has(name: string): boolean {
    return this.downstreams.has(name) || this.upstreams.has(name);
  }

  /** The upstream that names the group most exactly; undefined: the group comes from the downstreams only. */
  upstreamOf(group: A): Upstream<A> | undefined {
    return upstreamOf(group, this.upstreams.values());
  }

  /** The upstream at which the group would be asked for. */
  uplinkOf(group: A): string | undefined {
    const upstream = this.upstreamOf(group);
    return upstream?.mayJoin(group) === true ? upstream.name : undefined;
  }
}
