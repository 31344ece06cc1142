// Watches the octets of one MQTT connection for packets that are too long. The broker's parser collects a whole packet, up to
// 256 MB, before anybody can judge it, and it does so for clients that have not even said who they are.

/** MQTT 3.1.1 section 2.2.3: the remaining length takes one to four octets, seven bits each, the lowest first. */
const MOST_LENGTH_OCTETS = 4;

/** One for each connection. */
export class PacketGuard {
  readonly #limit: number;
  /** Octets of the current packet still to come. */
  #skip = 0;
  /** Length octets read of the current fixed header; -1 when the next octet is a packet type. */
  #lengthOctets = -1;
  #length = 0;

  /** `limit`: octets after the fixed header. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False as soon as a packet announces more than the limit, or a length that is none. */
  accepts(chunk: Uint8Array): boolean {
    for (let at = 0; at < chunk.length; ) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at);
        this.#skip -= step;
        at += step;
      } else if (!this.#header(chunk[at++] ?? 0)) return false;
    }
    return true;
  }

  #header(octet: number): boolean {
    if (this.#lengthOctets < 0) {
      this.#lengthOctets = 0;
      this.#length = 0;
      return true;
    }
    this.#length += (octet & 127) * 128 ** this.#lengthOctets;
    this.#lengthOctets += 1;
    if (octet >= 128) return this.#lengthOctets < MOST_LENGTH_OCTETS;
    this.#lengthOctets = -1;
    this.#skip = this.#length;
    return this.#length <= this.#limit;
  }
}
