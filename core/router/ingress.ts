// From which interface a source's packets may come: a LAN host must not pass for the headend.
import type { Ipv4 } from "../base/ipv4.ts";
import { inSubnet, type Subnet } from "../base/subnet.ts";

/** An interface from which a group may come, as the sources behind it see it. */
export interface Side {
  readonly name: string;
  readonly up: boolean;
  /** Towards the sources: takes everybody unless `allowed` says otherwise. */
  readonly isUpstream: boolean;
  /** Of an upstream, whether it lets the group in at all. */
  readonly carries: boolean;
  /** Its own addresses; undefined where nobody knows their prefixes. */
  readonly subnets: readonly Subnet[] | undefined;
  /** Who may send from here, as configured. */
  readonly allowed: readonly Subnet[] | undefined;
}

/** Whether what `source` sends may come in on `side`, one of `sides`: the downstreams and the group's upstream. */
export function mayEnter(source: Ipv4, side: Side, sides: readonly Side[]): boolean {
  const { isUpstream, subnets, allowed } = side;
  if (allowed !== undefined) return holds(allowed, source);
  if (isUpstream || subnets === undefined || holds(subnets, source)) return true;
  // Where no subnet says who is there, or no upstream has a stream that could be forged, only what is known to be elsewhere is foreign.
  const isGuarded = hasNetwork(subnets) && sides.some(({ carries }) => carries);
  return !isGuarded && !sides.some((other) => other !== side && !other.isUpstream && isBehind(source, other));
}

const holds = (subnets: readonly Subnet[], one: Ipv4): boolean => subnets.some((subnet) => inSubnet(subnet, one));

/** An address of a point-to-point link (PPP, a tunnel) has no subnet: it is alone in its prefix, and the peer is not in it. */
const hasNetwork = (subnets: readonly Subnet[]): boolean => subnets.some(({ prefixLength }) => prefixLength < 32);

/** Whether the source is known to be behind this interface, and not only because nothing speaks against it. */
const isBehind = (source: Ipv4, { allowed, subnets }: Side): boolean => holds(allowed ?? subnets ?? [], source);

/**
 * Where (source, group) is to come in, of `sides`. `heard` is where a packet of it came in; if it may not, its place is where the
 * source is known to be, or upstream. undefined: from nowhere.
 */
export function ingressOf(source: Ipv4, heard: string, sides: readonly Side[]): Side | undefined {
  const up = sides.filter((side) => side.up);
  const here = up.find(({ name }) => name === heard);
  if (here !== undefined && mayEnter(source, here, sides)) return here;
  return (
    up.find((side) => !side.isUpstream && isBehind(source, side)) ??
    up.find((side) => side.isUpstream && mayEnter(source, side, sides))
  );
}
