// From which interface a source's packets may come: a LAN host must not pass for the headend.
import type { Ipv4 } from "../base/ipv4.ts";
import { inSubnet, type Subnet } from "../base/subnet.ts";

/** An interface as the sources behind it see it. */
export interface Side {
  readonly name: string;
  readonly up: boolean;
  /** Towards the sources: takes everybody unless `allowed` says otherwise. */
  readonly isUpstream: boolean;
  /** Its own addresses; undefined where nobody knows their prefixes. */
  readonly subnets: readonly Subnet[] | undefined;
  /** Who may send from here, as configured. */
  readonly allowed: readonly Subnet[] | undefined;
}

/** Whether what `source` sends may come in here. A downstream of which no subnet is known takes everybody. */
export function mayEnter(source: Ipv4, { isUpstream, subnets, allowed }: Side): boolean {
  const from = allowed ?? (isUpstream ? undefined : subnets);
  return from === undefined || from.some((subnet) => inSubnet(subnet, source));
}

/** Whether the source is known to be behind this interface, and not only because nothing speaks against it. */
const isBehind = (source: Ipv4, side: Side): boolean =>
  (side.allowed ?? side.subnets)?.some((subnet) => inSubnet(subnet, source)) ?? false;

/**
 * Where (source, group) is to come in, of `sides`: the downstreams and the group's upstream. `heard` is where a packet of it came in;
 * if it may not, its place is where the source is known to be, or upstream. undefined: from nowhere.
 */
export function ingressOf(source: Ipv4, heard: string, sides: readonly Side[]): Side | undefined {
  const up = sides.filter((side) => side.up);
  const here = up.find(({ name }) => name === heard);
  if (here !== undefined && mayEnter(source, here)) return here;
  return (
    up.find((side) => !side.isUpstream && isBehind(source, side)) ??
    up.find((side) => side.isUpstream && mayEnter(source, side))
  );
}
