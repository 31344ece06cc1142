// Addresses of this machine that the configuration names: whether an interface has each of them now.
import { ANY, formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import type { Links } from "../../core/ports/links.ts";
import { addressLack } from "./words.ts";

/** Who tells a person. */
export interface OwnAddressesListener {
  /** No interface has it (any more); `lack` says so and which addresses there are. */
  away(address: Ipv4, lack: string): void;
  /** An interface has it again. */
  back(address: Ipv4, interfaceName: string): void;
  /** After either: what is waited for now. */
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
  #stop: (() => void) | undefined;

  /** Tells at once of those that are away. */
  constructor(addresses: readonly Ipv4[], links: Links, listener: OwnAddressesListener) {
    this.#links = links;
    this.#listener = listener;
    this.follow(addresses);
  }

  /** Other addresses from now on; 0.0.0.0 and loopback ones need no watching, and without any other nothing is watched. */
  follow(addresses: readonly Ipv4[]): void {
    const wanted = new Set(addresses.filter((one) => one !== ANY && !isLoopback(one)));
    for (const old of [...this.#places.keys()]) if (!wanted.has(old)) this.#places.delete(old);
    if (wanted.size === 0) {
      this.close();
      return;
    }
    this.#stop ??= this.#links.changes(() => this.#look());
    for (const address of wanted) {
      if (this.#places.has(address)) continue;
      const place = this.#find(address);
      this.#places.set(address, place);
      if (place === undefined) this.#tellAway(address);
    }
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

  #tellAway(address: Ipv4): void {
    this.#listener.away(address, this.lackOf(address));
    this.#listener.changed?.(this.waiting);
  }

  #tellBack(address: Ipv4, interfaceName: string): void {
    this.#listener.back(address, interfaceName);
    this.#listener.changed?.(this.waiting);
  }

  #find(address: Ipv4): Place | undefined {
    return this.#links.list().find(({ up, addresses }) => up && addresses.some((own) => own.address === address));
  }

  #look(): void {
    for (const [address, before] of [...this.#places]) {
      const now = this.#find(address);
      if (now?.index === before?.index) continue;
      this.#places.set(address, now);
      if (now === undefined) {
        this.#tellAway(address);
        continue;
      }
      if (before === undefined) this.#tellBack(address, now.name);
      for (const moved of [...this.#followers]) moved(address);
    }
  }
}
