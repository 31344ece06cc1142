// Which packets two sockets heard both: each of them hears every packet of its interface once, in an order of its own.

/** Packets of which the other socket has yet to hear; the oldest are forgotten beyond that. */
const MOST_WAITING = 1024;

/** Compares packets by their octets. Equal packets count one by one: two heard here and one there make one heard by both. */
export class HeardByBoth {
  /** By octets, how often the first has heard it more than the second; never 0. */
  readonly #ahead = new Map<string, number>();

  /** The first socket heard `packet`; true when the second had heard it already. */
  first(packet: Uint8Array): boolean {
    return this.#heard(packet, 1);
  }

  /** The second socket heard `packet`; true when the first had heard it already. */
  second(packet: Uint8Array): boolean {
    return this.#heard(packet, -1);
  }

  /** How many packets the first has heard and the second has not. */
  get firstOnly(): number {
    return [...this.#ahead.values()].reduce((sum, ahead) => sum + Math.max(0, ahead), 0);
  }

  #heard(packet: Uint8Array, by: 1 | -1): boolean {
    const octets = Buffer.from(packet.buffer, packet.byteOffset, packet.length).toString("latin1");
    const before = this.#ahead.get(octets) ?? 0;
    this.#ahead.delete(octets);
    if (before + by !== 0) this.#ahead.set(octets, before + by);
    this.#forgetOldest();
    return Math.sign(before) === -by;
  }

  #forgetOldest(): void {
    if (this.#ahead.size <= MOST_WAITING) return;
    const [oldest] = this.#ahead.keys();
    if (oldest !== undefined) this.#ahead.delete(oldest);
  }
}
