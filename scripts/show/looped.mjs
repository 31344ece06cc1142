// Holds a received transport stream against the file it was looped from, packet by packet, without knowing where it began. Two things
// are the headend's own: a mark for each PID where the file begins again, and continuity counters that go on there.

export const PACKET = 188;

const COUNTER = 3;

/** A packet without payload whose discontinuity_indicator is set (ISO/IEC 13818-1 section 2.4.3.5). */
const isMark = (/** @type {Buffer} */ packet) =>
  ((packet[COUNTER] ?? 0) & 0x30) === 0x20 && ((packet[5] ?? 0) & 0x80) !== 0;

/** What a packet says, whatever its continuity counter is. */
const textOf = (/** @type {Buffer} */ packet) =>
  packet.toString("latin1", 0, COUNTER) + ((packet[COUNTER] ?? 0) >> 4) + packet.toString("latin1", COUNTER + 1);

/** Positions of the loop that hold the same packet, by the packet. */
function indexOf(/** @type {Buffer} */ file) {
  /** @type {Map<string, number[]>} */
  const index = new Map();
  for (let at = 0; at < file.length; at += PACKET) {
    const key = textOf(file.subarray(at, at + PACKET));
    index.set(key, [...(index.get(key) ?? []), at]);
  }
  return index;
}

/**
 * Follows one output. Until only one place of the loop fits what came, all that fit are kept; from then on every packet
 * must be the next one of the loop.
 */
export class LoopedComparison {
  #file;
  #index;
  #rest = Buffer.alloc(0);
  /** Places where the next packet may be; undefined before the first and after a mismatch. @type {number[] | undefined} */
  #next;
  packets = 0;
  mismatches = 0;

  /** @param {Buffer} file whole packets of 188 octets */
  constructor(file) {
    this.#file = file;
    this.#index = indexOf(file);
  }

  /** @param {Buffer} chunk octets in order, cut anywhere */
  add(chunk) {
    const octets = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (; at + PACKET <= octets.length; at += PACKET) this.#packet(octets.subarray(at, at + PACKET));
    this.#rest = Buffer.from(octets.subarray(at));
  }

  /** The output was stopped and begins anew: the next packet may be anywhere in the loop. */
  beginAnew() {
    this.#next = undefined;
    this.#rest = Buffer.alloc(0);
  }

  /** @param {Buffer} packet */
  #packet(packet) {
    if (isMark(packet)) return;
    this.packets += 1;
    const text = textOf(packet);
    const fits = this.#next?.filter((at) => textOf(this.#file.subarray(at, at + PACKET)) === text);
    if (fits?.length === 0) this.mismatches += 1;
    const places = fits?.length ? fits : (this.#index.get(text) ?? []);
    this.#next = places.length === 0 ? undefined : places.map((at) => (at + PACKET) % this.#file.length);
    if (this.#next === undefined && fits === undefined) this.mismatches += 1;
  }

  /** Something came, and all of it was the loop, packet after packet. */
  get identical() {
    return this.packets > 0 && this.mismatches === 0;
  }
}
