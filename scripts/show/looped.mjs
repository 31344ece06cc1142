// Holds a received transport stream against the file it was looped from, packet by packet, without knowing where it began.

export const PACKET = 188;

/** Positions of the loop that hold the same packet, by the packet. */
function indexOf(/** @type {Buffer} */ file) {
  /** @type {Map<string, number[]>} */
  const index = new Map();
  for (let at = 0; at < file.length; at += PACKET) {
    const key = file.toString("latin1", at, at + PACKET);
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
    this.packets += 1;
    const fits = this.#next?.filter((at) => packet.equals(this.#file.subarray(at, at + PACKET)));
    if (fits?.length === 0) this.mismatches += 1;
    const places = fits?.length ? fits : (this.#index.get(packet.toString("latin1")) ?? []);
    this.#next = places.length === 0 ? undefined : places.map((at) => (at + PACKET) % this.#file.length);
    if (this.#next === undefined && fits === undefined) this.mismatches += 1;
  }

  /** Something came, and all of it was the loop, packet after packet. */
  get identical() {
    return this.packets > 0 && this.mismatches === 0;
  }

  /** Half a packet at the end would be an output cut in the middle. */
  get unfinished() {
    return this.#rest.length;
  }
}
