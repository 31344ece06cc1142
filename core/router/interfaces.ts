// The interfaces of one router, by name, and which of them a group comes from.
import type { Ipv4 } from "../base/ipv4.ts";
import type { Downstream } from "./downstream.ts";
import { type Upstream, upstreamOf } from "./upstream.ts";

/** Which there are stays as it was at the start. */
export class Interfaces {
  readonly downstreams: ReadonlyMap<string, Downstream>;
  readonly upstreams: ReadonlyMap<string, Upstream>;

  constructor(downstreams: readonly Downstream[], upstreams: readonly Upstream[]) {
    this.downstreams = new Map(downstreams.map((one) => [one.name, one]));
    this.upstreams = new Map(upstreams.map((one) => [one.name, one]));
  }

  has(name: string): boolean {
    return this.downstreams.has(name) || this.upstreams.has(name);
  }

  /** The upstream that names the group most exactly; undefined: the group comes from the downstreams only. */
  upstreamOf(group: Ipv4): Upstream | undefined {
    return upstreamOf(group, this.upstreams.values());
  }

  /** The upstream at which the group would be asked for. */
  uplinkOf(group: Ipv4): string | undefined {
    const upstream = this.upstreamOf(group);
    return upstream?.mayJoin(group) === true ? upstream.name : undefined;
  }
}
