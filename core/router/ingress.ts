// From which interface a source's packets may come: a LAN host must not pass for the headend.
import type { Address, AddressFamily } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { inSubnet, type Subnet } from "../base/subnet.ts";
import type { MulticastRoute } from "../ports/forwarding.ts";
import type { Downstream } from "./downstream.ts";
import type { Interfaces } from "./interfaces.ts";
import type { Upstream } from "./upstream.ts";

/** A packet of (source, group), and where it came in. */
export type Arrival<A extends Address = Ipv4> = Omit<MulticastRoute<A>, "outbound">;

/** By the interfaces as they are at each moment. */
export class Ingress<A extends Address = Ipv4> {
  readonly #family: AddressFamily<A>;
  readonly #interfaces: Interfaces<A>;

  constructor(family: AddressFamily<A>, interfaces: Interfaces<A>) {
    this.#family = family;
    this.#interfaces = interfaces;
  }

  /** Where the stream is to come in of which a packet came in on `inbound`; undefined: from nowhere. */
  of({ source, group, inbound }: Arrival<A>): string | undefined {
    return ingressOf(source, inbound, this.#sides(group), this.#family.bits)?.name;
  }

  /** Whether the stream may come in there. closed: nothing of its group may, now; foreign: it may not, because of its source. */
  verdict({ source, group, inbound }: Arrival<A>): "open" | "closed" | "foreign" {
    const side = this.#side(inbound, group);
    if (side?.up !== true) return "closed";
    return mayEnter(source, side, () => this.#sides(group), this.#family.bits) ? "open" : "foreign";
  }

  /** The interface, if what is sent to the group may come from there at all. */
  #side(name: string, group: A): Side<A> | undefined {
    const downstream = this.#interfaces.downstreams.get(name);
    if (downstream !== undefined) return sideOf(downstream);
    const upstream = this.#interfaces.upstreamOf(group);
    return upstream?.name === name ? upstreamSide(upstream, group) : undefined;
  }

  /** Every interface from which the group may come. */
  #sides(group: A): readonly Side<A>[] {
    const downstreams = Array.from(this.#interfaces.downstreams.values(), sideOf);
    const upstream = this.#interfaces.upstreamOf(group);
    return upstream === undefined ? downstreams : [...downstreams, upstreamSide(upstream, group)];
  }
}

const sideOf = <A extends Address>({ name, up, subnets, options }: Downstream<A>): Side<A> => ({
  name,
  up,
  isUpstream: false,
  carries: false,
  subnets,
  allowed: options.sources,
});

const upstreamSide = <A extends Address>(upstream: Upstream<A>, group: A): Side<A> => ({
  name: upstream.name,
  up: upstream.up,
  isUpstream: true,
  carries: upstream.mayJoin(group),
  subnets: undefined,
  allowed: upstream.sources,
});

/** An interface from which a group may come, as the sources behind it see it. */
interface Side<A extends Address = Ipv4> {
  readonly name: string;
  readonly up: boolean;
  /** Towards the sources: takes everybody unless `allowed` says otherwise. */
  readonly isUpstream: boolean;
  /** Of an upstream, whether it lets the group in at all. */
  readonly carries: boolean;
  /** Its own addresses; undefined where nobody knows their prefixes. */
  readonly subnets: readonly Subnet<A>[] | undefined;
  /** Who may send from here, as configured. */
  readonly allowed: readonly Subnet<A>[] | undefined;
}

/** Whether what `source` sends may come in on `side`, one of `sides`: the downstreams and the group's upstream. */
function mayEnter<A extends Address>(source: A, side: Side<A>, sides: () => readonly Side<A>[], bits: number): boolean {
  const { isUpstream, subnets, allowed } = side;
  if (allowed !== undefined) return holds(allowed, source);
  if (isUpstream || subnets === undefined || holds(subnets, source)) return true;
  // Where no subnet says who is there, or no upstream has a stream that could be forged, only what is known to be elsewhere is foreign.
  const all = sides();
  const isGuarded = hasNetwork(subnets, bits) && all.some(({ carries }) => carries);
  return !isGuarded && !all.some((other) => other.name !== side.name && !other.isUpstream && isBehind(source, other));
}

const holds = <A extends Address>(subnets: readonly Subnet<A>[], one: A): boolean =>
  subnets.some((subnet) => inSubnet(subnet, one));

/** An address of a point-to-point link (PPP, a tunnel) has no subnet: it is alone in its prefix, and the peer is not in it. */
const hasNetwork = (subnets: readonly Subnet<Address>[], bits: number): boolean =>
  subnets.some(({ prefixLength }) => prefixLength < bits);

/** Whether the source is known to be behind this interface, and not only because nothing speaks against it. */
const isBehind = <A extends Address>(source: A, { allowed, subnets }: Side<A>): boolean =>
  holds(allowed ?? subnets ?? [], source);

/**
 * Where (source, group) is to come in, of `sides`. `heard` is where a packet of it came in; if it may not, its place is where the
 * source is known to be, or upstream. undefined: from nowhere.
 */
function ingressOf<A extends Address>(
  source: A,
  heard: string,
  sides: readonly Side<A>[],
  bits: number,
): Side<A> | undefined {
  const up = sides.filter((side) => side.up);
  const here = up.find(({ name }) => name === heard);
  if (here !== undefined && mayEnter(source, here, () => sides, bits)) return here;
  return (
    up.find((side) => !side.isUpstream && isBehind(source, side)) ??
    up.find((side) => side.isUpstream && mayEnter(source, side, () => sides, bits))
  );
}
