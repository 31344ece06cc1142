// The hosts that are known on one interface: those that are members of something, and for a membership interval those that were.
import type { Address } from "../base/address.ts";
import { DeadlineHeap, type Scheduled } from "../base/deadline-heap.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { type Instant, instant } from "../base/time.ts";
import type { TrackedHost } from "./host-shares.ts";

/** By what a host is known: without port and VLAN where a MAC is, as it is one host wherever it is heard. */
export type StationKey<A extends Address = Ipv4> = string | A;

/** A host with its memberships' number. With a MAC it is in one place at a time, so `who` is where it was heard last. */
export interface Station<A extends Address = Ipv4> extends Scheduled {
  readonly key: StationKey<A>;
  who: TrackedHost<A>;
  held: number;
  /** It was there while there was room for everybody, or was let in since: it need not wait (core/igmp/newcomers.ts). */
  isVouched: boolean;
  /** A membership interval after it was heard last; without memberships it is forgotten then. */
  knownUntil: Instant;
}

/** By what tracking knows this host. */
export const stationKey = <A extends Address>({ port, address, mac }: TrackedHost<A>): StationKey<A> =>
  mac !== "" ? `${mac}|${address}` : port !== "" ? `${port}|${address}` : address;

/** Whether two sightings of a host are of one place. */
export const isSamePlace = (a: TrackedHost<Address>, b: TrackedHost<Address>): boolean =>
  a.port === b.port && a.vlan === b.vlan;

/** Bounded by its owner, by way of `forget`. */
export class Stations<A extends Address = Ipv4> {
  readonly #stations = new Map<StationKey<A>, Station<A>>();
  /** Without memberships. */
  readonly #idle = new DeadlineHeap<Station<A>>();

  /** The host, if it is known. */
  get(host: TrackedHost<A>): Station<A> | undefined {
    return this.#stations.get(stationKey(host));
  }

  /** It was heard, and is known until then at least. */
  heard(station: Station<A>, knownUntil: Instant): void {
    station.knownUntil = knownUntil;
    if (station.held === 0) this.#idle.schedule(station, knownUntil);
  }

  /** It has one membership more. */
  take(host: TrackedHost<A>, knownUntil: Instant): Station<A> {
    const key = stationKey(host);
    const station = this.#stations.get(key) ?? {
      due: undefined,
      place: -1,
      key,
      who: host,
      held: 0,
      isVouched: false,
      knownUntil,
    };
    if (!isSamePlace(station.who, host)) station.who = host;
    this.#idle.schedule(station, undefined);
    this.#stations.set(key, station);
    station.held++;
    return station;
  }

  /** It has one less. */
  release(station: Station<A>): void {
    station.held--;
    if (station.held === 0) this.#idle.schedule(station, station.knownUntil);
  }

  /** Those whose time is over, and, where there are more than `most`, those without memberships that were heard longest ago. */
  forget(now: Instant, most: number): void {
    const isFull = (): boolean => this.#stations.size > most;
    const next = (): Station<A> | undefined => this.#idle.takeDue(isFull() ? instant(Number.POSITIVE_INFINITY) : now);
    for (let idle = next(); idle !== undefined; idle = next()) this.#stations.delete(idle.key);
  }
}
