// What interfaces, ports and uplinks carry by what their channels need, and whether one more fits in.
// Nobody is put out for another: a picture that plays plays on.
import type { Address } from "../../base/address.ts";
import type { Ipv4 } from "../../base/ipv4.ts";
import { covers, type GroupPrefix } from "./group-access.ts";

/** What a channel of these groups needs. */
export interface ChannelRate<A extends Address = Ipv4> {
  readonly groups: readonly GroupPrefix<A>[];
  /** At least 0. */
  readonly kbitPerSecond: number;
}

/** Rates of channels; the most exact prefix decides. */
export interface BandwidthOptions<A extends Address = Ipv4> {
  readonly channels: readonly ChannelRate<A>[];
  /** Of groups that `channels` does not name, in kbit/s. */
  readonly otherChannels: number;
}

/** What carries groups. */
export type Carrier =
  | { readonly kind: "interface"; readonly name: string }
  | { readonly kind: "port"; readonly name: string; readonly port: string }
  | { readonly kind: "uplink"; readonly name: string };

/** What a carrier may carry and carries now, in kbit/s. */
export interface CarrierLoad {
  readonly carrier: Carrier;
  readonly capacity: number;
  readonly load: number;
}

interface Load<A extends Address = Ipv4> {
  readonly carrier: Carrier;
  /** Each group with how many want it: however many, it goes out once. */
  readonly groups: Map<A, number>;
  kbit: number;
}

/** The loads of one router; bounded by what its tables hold. */
export class Bandwidth<A extends Address = Ipv4> {
  #options: BandwidthOptions<A>;
  #capacity: (carrier: Carrier) => number | undefined;
  readonly #loads = new Map<string, Load<A>>();

  /** `capacity`: kbit/s of a carrier, undefined where nobody said. */
  constructor(options: BandwidthOptions<A>, capacity: (carrier: Carrier) => number | undefined) {
    this.#options = options;
    this.#capacity = capacity;
  }

  /** Other rates and capacities; what is carried is counted anew and stays. */
  configure(options: BandwidthOptions<A>, capacity: (carrier: Carrier) => number | undefined): void {
    this.#options = options;
    this.#capacity = capacity;
    for (const load of this.#loads.values()) {
      load.kbit = [...load.groups.keys()].reduce((sum, group) => sum + this.rateOf(group), 0);
    }
  }

  /** What a group needs, in kbit/s. */
  rateOf(group: A): number {
    let [best, most] = [this.#options.otherChannels, -1];
    for (const { groups, kbitPerSecond } of this.#options.channels) {
      for (const prefix of groups)
        if (prefix.length > most && covers(prefix, group)) [best, most] = [kbitPerSecond, prefix.length];
    }
    return best;
  }

  /** Whether there is an end to what it carries. */
  isBound(carrier: Carrier): boolean {
    return this.#capacity(carrier) !== undefined;
  }

  /** Whether the carrier carries the group, or has room for it. */
  fits(carrier: Carrier, group: A): boolean {
    const capacity = this.#capacity(carrier);
    if (capacity === undefined) return true;
    const used = this.#loads.get(keyOf(carrier))?.kbit ?? 0;
    return this.carries(carrier, group) || used + this.rateOf(group) <= capacity;
  }

  /** Whether somebody wants the group from the carrier. */
  carries(carrier: Carrier, group: A): boolean {
    return this.#loads.get(keyOf(carrier))?.groups.has(group) === true;
  }

  /** One more wants the group from the carrier. */
  take(carrier: Carrier, group: A): void {
    const load = this.#loads.get(keyOf(carrier)) ?? { carrier, groups: new Map<A, number>(), kbit: 0 };
    this.#loads.set(keyOf(carrier), load);
    const times = load.groups.get(group) ?? 0;
    if (times === 0) load.kbit += this.rateOf(group);
    load.groups.set(group, times + 1);
  }

  /** One less; whether the carrier has more room than before. */
  giveBack(carrier: Carrier, group: A): boolean {
    const load = this.#loads.get(keyOf(carrier));
    const times = load?.groups.get(group);
    if (load === undefined || times === undefined) return false;
    if (times > 1) {
      load.groups.set(group, times - 1);
      return false;
    }
    load.groups.delete(group);
    load.kbit -= this.rateOf(group);
    if (load.groups.size === 0) this.#loads.delete(keyOf(carrier));
    return true;
  }

  /** Every carrier that carries something and has a limit. */
  loads(): readonly CarrierLoad[] {
    return [...this.#loads.values()].flatMap(({ carrier, kbit }) => {
      const capacity = this.#capacity(carrier);
      return capacity === undefined ? [] : [{ carrier, capacity, load: kbit }];
    });
  }
}

const keyOf = (carrier: Carrier): string =>
  carrier.kind === "port" ? `port|${carrier.name}|${carrier.port}` : `${carrier.kind}|${carrier.name}`;
