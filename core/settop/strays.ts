// Packets that are far from where the stream is, kept until it shows whether the stream has gone there.

/** One that is kept: bytes[0, length) at a packet index. */
export interface Stray {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly index: number;
}

/** So many in a row are the stream. */
export const IN_A_ROW = 4;
/** They follow each other within this. */
export const ROW = 32;

interface Kept extends Stray {
  bytes: Uint8Array;
  length: number;
  index: number;
}

/** Up to `IN_A_ROW` packets whose indices rise. */
export class Strays {
  readonly #kept: readonly Kept[] = Array.from({ length: IN_A_ROW }, () => ({
    bytes: new Uint8Array(0),
    length: 0,
    index: -1,
  }));
  #size = 0;

  /** 0 to `IN_A_ROW`. */
  get size(): number {
    return this.#size;
  }

  /** In order; of no use after `clear` and the next `add`. */
  at(place: number): Stray | undefined {
    return place < this.#size ? this.#kept[place] : undefined;
  }

  /** Where one would have to be to be the next in the row, or where there is no row yet. */
  continues(index: number): boolean {
    const last = this.#kept[this.#size - 1]?.index ?? index - 1;
    return index > last && index - last <= ROW;
  }

  /** Copies a packet that `continues` the row. RangeError when the row is full. */
  add(index: number, packet: Uint8Array, length: number): void {
    const slot = this.#kept[this.#size];
    if (slot === undefined) throw new RangeError("the row is full");
    slot.bytes = roomFor(slot.bytes, length);
    slot.bytes.set(packet.subarray(0, length));
    slot.length = length;
    slot.index = index;
    this.#size++;
  }

  /** There is no row any more. */
  clear(): void {
    this.#size = 0;
  }
}

/** Octets that most packets fit into: a UDP datagram over Ethernet is far below. */
const USUAL = 2048;

/** `bytes`, or a larger array where it is too small: buffers grow to the largest packet they have held, at most 64 KiB. */
export const roomFor = (bytes: Uint8Array, length: number): Uint8Array =>
  length <= bytes.length ? bytes : new Uint8Array(Math.max(USUAL, length));
