// Interfaces of this machine that the configuration chooses, by address or by name: where each of them is now.
import { ANY, type Ipv4 } from "../../core/base/ipv4.ts";
import type { InterfaceChoice } from "../../core/ports/datagrams.ts";
import type { Link, Links } from "../../core/ports/links.ts";
import { choiceLack, choiceText } from "./words.ts";

/** Who tells a person. */
export interface OwnAddressesListener {
  /** No interface has the address, or the one of this name is not there, not up or without one; `lack` says which, and what there is. */
  away(choice: InterfaceChoice, lack: string): void;
  /** It is there again. */
  back(choice: InterfaceChoice, interfaceName: string): void;
  /** What is waited for now, whenever that is another thing than before; at first nothing is. */
  changed?(waiting: string | undefined): void;
}

interface Place {
  readonly name: string;
  readonly index: number;
  readonly address: Ipv4;
}

/** The loopback network is always there, all of it (RFC 1122 section 3.2.1.3). */
const isLoopback = (choice: InterfaceChoice): boolean => typeof choice === "number" && choice >>> 24 === 127;

/** Follows these interfaces until `close`. */
export class OwnAddresses {
  readonly #links: Links;
  readonly #listener: OwnAddressesListener;
  readonly #followers = new Set<(choice: InterfaceChoice) => void>();
  readonly #places = new Map<InterfaceChoice, Place | undefined>();
  #wanted: readonly InterfaceChoice[] = [];
  /** What was told to be waited for. */
  #told: string | undefined;
  #stop: (() => void) | undefined;

  /** Tells at once of those that are away. */
  constructor(choices: readonly InterfaceChoice[], links: Links, listener: OwnAddressesListener) {
    this.#links = links;
    this.#listener = listener;
    this.follow(choices);
  }

  /** Others from now on; 0.0.0.0 and loopback addresses need no watching, and without any other nothing is watched. */
  follow(choices: readonly InterfaceChoice[]): void {
    this.#wanted = choices;
    const wanted = new Set(choices.filter((one) => one !== ANY && !isLoopback(one)));
    for (const old of [...this.#places.keys()]) if (!wanted.has(old)) this.#places.delete(old);
    if (wanted.size === 0) this.close();
    else this.#add(wanted);
    this.#tellWaiting();
  }

  /**
   * Others from now on if `change` can be made to what uses them. While it is made the earlier ones are followed too, and they alone
   * are when it rejects, as it then does.
   */
  async followFor(choices: readonly InterfaceChoice[], change: () => Promise<void>): Promise<void> {
    const before = this.#wanted;
    this.follow([...before, ...choices]);
    try {
      await change();
    } catch (error) {
      this.follow(before);
      throw error;
    }
    this.follow(choices);
  }

  isAway(choice: InterfaceChoice): boolean {
    return this.#places.has(choice) && this.#places.get(choice) === undefined;
  }

  /** "waiting for interface eth1, interface address 10.0.0.9", with all that are away; undefined when none is. */
  get waiting(): string | undefined {
    const away = [...this.#places.keys()].filter((one) => this.isAway(one));
    const names = away.filter((one) => typeof one === "string").map(choiceText);
    const addresses = away.filter((one) => typeof one === "number").map(choiceText);
    const parts = [...listed("interface", names), ...listed("interface address", addresses)];
    return parts.length === 0 ? undefined : `waiting for ${parts.join(", ")}`;
  }

  /** Why `choice` cannot be used now, for a person. */
  lackOf(choice: InterfaceChoice): string {
    return choiceLack(choice, this.#links.list());
  }

  /**
   * Calls `moved` when an interface is there again, or is another one, or has another address: what sockets were told of the old one
   * no longer holds. Returns the way to stop.
   */
  onMove(moved: (choice: InterfaceChoice) => void): () => void {
    this.#followers.add(moved);
    return () => this.#followers.delete(moved);
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  #add(wanted: ReadonlySet<InterfaceChoice>): void {
    this.#stop ??= this.#links.changes((links) => this.#look(links));
    const links = this.#links.list();
    for (const choice of wanted) {
      if (this.#places.has(choice)) continue;
      const place = placeOf(choice, links);
      this.#places.set(choice, place);
      if (place === undefined) this.#tellAway(choice, links);
    }
  }

  #tellAway(choice: InterfaceChoice, links: readonly Link[]): void {
    this.#listener.away(choice, choiceLack(choice, links));
    this.#tellWaiting();
  }

  #tellBack(choice: InterfaceChoice, interfaceName: string): void {
    this.#listener.back(choice, interfaceName);
    this.#tellWaiting();
  }

  #tellWaiting(): void {
    const { waiting } = this;
    if (waiting === this.#told) return;
    this.#told = waiting;
    this.#listener.changed?.(waiting);
  }

  #look(links: readonly Link[]): void {
    for (const [choice, before] of [...this.#places]) {
      const now = placeOf(choice, links);
      if (now?.index === before?.index && now?.address === before?.address) continue;
      this.#places.set(choice, now);
      if (now === undefined) {
        this.#tellAway(choice, links);
        continue;
      }
      if (before === undefined) this.#tellBack(choice, now.name);
      for (const moved of [...this.#followers]) moved(choice);
    }
  }
}

const listed = (what: string, away: readonly string[]): readonly string[] =>
  away.length === 0 ? [] : [`${what} ${away.join(", ")}`];

function placeOf(choice: InterfaceChoice, links: readonly Link[]): Place | undefined {
  for (const { name, index, up, addresses } of links) {
    const own = addresses.find(({ address }) => (typeof choice === "string" ? name === choice : address === choice));
    if (up && own !== undefined) return { name, index, address: own.address };
  }
  return undefined;
}
