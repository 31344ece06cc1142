// Watches the octets of one MQTT connection for what the broker's parser must not see. It collects a whole packet, up to 256 MB, before
// anybody can judge it, and it does so for clients that have not even said who they are.

/** MQTT 3.1.1 section 2.2.3: the remaining length takes one to four octets, seven bits each, the lowest first. */
const MOST_LENGTH_OCTETS = 4;
/** 3.1.0-1: the first packet is a CONNECT, and 3.1.1 gives its whole first octet. */
const CONNECT = 0x10;

/** One for each connection. */
export class PacketGuard {
  readonly #limit: number;
  /** Octets of the current packet still to come. */
  #skip = 0;
  /** Length octets read of the current fixed header; -1 when the next octet is a packet type. */
  #lengthOctets = -1;
  #length = 0;
  #begun = false;

  /** `limit`: octets after the fixed header. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * no-mqtt: the connection does not begin with a CONNECT; what comes after is nobody's packets, so lengths in it mean nothing.
   * oversized: a packet announces more than the limit, or a length that is none. undefined: the parser may have it.
   */
  check(chunk: Uint8Array): "no-mqtt" | "oversized" | undefined {
    if (!this.#begun && chunk.length > 0 && chunk[0] !== CONNECT) return "no-mqtt";
    this.#begun ||= chunk.length > 0;
    for (let at = 0; at < chunk.length; ) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at);
        this.#skip -= step;
        at += step;
      } else if (!this.#header(chunk[at++] ?? 0)) return "oversized";
    }
    return undefined;
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
