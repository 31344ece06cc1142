// Addresses of this machine that the configuration names: whether an interface has each of them now.
import { ANY, formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import type { Link, Links } from "../../core/ports/links.ts";
import { addressLack } from "./words.ts";

/** Who tells a person. */
export interface OwnAddressesListener {
  /** No interface has it (any more); `lack` says so and which addresses there are. */
  away(address: Ipv4, lack: string): void;
  /** An interface has it again. */
  back(address: Ipv4, interfaceName: string): void;
  /** What is waited for now, whenever that is another thing than before; at first nothing is. */
  changed?(waiting: string | undefined): void;
}

interface Place {
  readonly name: string;
  readonly index: number;
}

/** The loopback network is always there, all of it (RFC 1122 section 3.2.1.3). */
const isLoopback = (address: Ipv4): boolean => address >>> 24 === 127;

/** Follows the interfaces of these addresses until `close`. */
export class OwnAddresses {
  readonly #links: Links;
  readonly #listener: OwnAddressesListener;
  readonly #followers = new Set<(address: Ipv4) => void>();
  readonly #places = new Map<Ipv4, Place | undefined>();
  #wanted: readonly Ipv4[] = [];
  /** What was told to be waited for. */
  #told: string | undefined;
  #stop: (() => void) | undefined;

  /** Tells at once of those that are away. */
  constructor(addresses: readonly Ipv4[], links: Links, listener: OwnAddressesListener) {
    this.#links = links;
    this.#listener = listener;
    this.follow(addresses);
  }

  /** Other addresses from now on; 0.0.0.0 and loopback ones need no watching, and without any other nothing is watched. */
  follow(addresses: readonly Ipv4[]): void {
    this.#wanted = addresses;
    const wanted = new Set(addresses.filter((one) => one !== ANY && !isLoopback(one)));
    for (const old of [...this.#places.keys()]) if (!wanted.has(old)) this.#places.delete(old);
    if (wanted.size === 0) this.close();
    else this.#add(wanted);
    this.#tellWaiting();
  }

  /**
   * Other addresses from now on if `change` can be made to what uses them. While it is made the earlier ones are followed too, and
   * they alone are when it rejects, as it then does.
   */
  async followFor(addresses: readonly Ipv4[], change: () => Promise<void>): Promise<void> {
    const before = this.#wanted;
    this.follow([...before, ...addresses]);
    try {
      await change();
    } catch (error) {
      this.follow(before);
      throw error;
    }
    this.follow(addresses);
  }

  isAway(address: Ipv4): boolean {
    return this.#places.has(address) && this.#places.get(address) === undefined;
  }

  /** "waiting for interface address 10.0.0.9", with all that are away; undefined when none is. */
  get waiting(): string | undefined {
    const away = [...this.#places.keys()].filter((one) => this.isAway(one));
    return away.length === 0 ? undefined : `waiting for interface address ${away.map(formatIpv4).join(", ")}`;
  }

  /** Why `address` cannot be used now, for a person. */
  lackOf(address: Ipv4): string {
    return addressLack(address, this.#links.list());
  }

  /**
   * Calls `moved` when an interface has an address again, or another one has it: what sockets were told of the old one no longer
   * holds. Returns the way to stop.
   */
  onMove(moved: (address: Ipv4) => void): () => void {
    this.#followers.add(moved);
    return () => this.#followers.delete(moved);
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  #add(wanted: ReadonlySet<Ipv4>): void {
    this.#stop ??= this.#links.changes((links) => this.#look(links));
    const links = this.#links.list();
    for (const address of wanted) {
      if (this.#places.has(address)) continue;
      const place = placeOf(address, links);
      this.#places.set(address, place);
      if (place === undefined) this.#tellAway(address, links);
    }
  }

  #tellAway(address: Ipv4, links: readonly Link[]): void {
    this.#listener.away(address, addressLack(address, links));
    this.#tellWaiting();
  }

  #tellBack(address: Ipv4, interfaceName: string): void {
    this.#listener.back(address, interfaceName);
    this.#tellWaiting();
  }

  #tellWaiting(): void {
    const { waiting } = this;
    if (waiting === this.#told) return;
    this.#told = waiting;
    this.#listener.changed?.(waiting);
  }

  #look(links: readonly Link[]): void {
    for (const [address, before] of [...this.#places]) {
      const now = placeOf(address, links);
      if (now?.index === before?.index) continue;
      this.#places.set(address, now);
      if (now === undefined) {
        this.#tellAway(address, links);
        continue;
      }
      if (before === undefined) this.#tellBack(address, now.name);
      for (const moved of [...this.#followers]) moved(address);
    }
  }
}

const placeOf = (address: Ipv4, links: readonly Link[]): Place | undefined =>
  links.find(({ up, addresses }) => up && addresses.some((own) => own.address === address));
