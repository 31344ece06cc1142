// What tcpdump saw on one link, live: packets as they come, conditions on them, and what they carry.
import { PATIENCE, Waiting } from "./waiting.mjs";

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET_HEADER = 14;
const IPV4 = 0x0800;
/** More than any scenario needs; beyond it the oldest go. */
const MOST_PACKETS = 200_000;

/**
 * @typedef {{ at: number, source: string, destination: string, protocol: number, ttl: number, tos: number, options: Buffer, payload: Buffer }} Ipv4Packet
 *   `at` in milliseconds since 1970, as the kernel stamped it; `payload` follows the IPv4 header
 */

export const dotted = (/** @type {Buffer} */ octets) => octets.join(".");

/**
 * @param {number} at
 * @param {Buffer} frame
 * @returns {Ipv4Packet | undefined} undefined for what is not IPv4
 */
function parseFrame(at, frame) {
  if (frame.length < ETHERNET_HEADER + 20 || frame.readUInt16BE(12) !== IPV4) return undefined;
  const packet = frame.subarray(ETHERNET_HEADER);
  const headerLength = (packet.readUInt8(0) & 0x0f) * 4;
  return {
    at,
    source: dotted(packet.subarray(12, 16)),
    destination: dotted(packet.subarray(16, 20)),
    protocol: packet.readUInt8(9),
    ttl: packet.readUInt8(8),
    tos: packet.readUInt8(1),
    options: packet.subarray(20, headerLength),
    payload: packet.subarray(headerLength, packet.readUInt16BE(2)),
  };
}

export class Capture {
  /** @type {Ipv4Packet[]} */
  packets = [];
  /** @type {import("./process.mjs").Process | undefined} */
  process;
  #waiting = new Waiting();
  #rest = Buffer.alloc(0);
  #begun = false;

  /**
   * The next octets of tcpdump's output (classic pcap, little-endian, microseconds).
   * @param {Buffer} chunk
   */
  add(chunk) {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (!this.#begun) {
      if (this.#rest.length < FILE_HEADER) return;
      this.#rest = this.#rest.subarray(FILE_HEADER);
      this.#begun = true;
    }
    let record = this.#next();
    while (record !== undefined) {
      this.packets.push(...record);
      record = this.#next();
    }
    if (this.packets.length > MOST_PACKETS) this.packets.splice(0, this.packets.length - MOST_PACKETS);
    this.#waiting.changed();
  }

  /** The next whole record as a list of one packet, or of none when it is not IPv4; undefined when more octets are needed. */
  #next() {
    if (this.#rest.length < RECORD_HEADER) return undefined;
    const length = this.#rest.readUInt32LE(8);
    if (this.#rest.length < RECORD_HEADER + length) return undefined;
    const at = this.#rest.readUInt32LE(0) * 1000 + this.#rest.readUInt32LE(4) / 1000;
    const packet = parseFrame(at, this.#rest.subarray(RECORD_HEADER, RECORD_HEADER + length));
    this.#rest = this.#rest.subarray(RECORD_HEADER + length);
    return packet === undefined ? [] : [packet];
  }

  /**
   * The first packet, also of the past, for which `wanted` holds.
   * @param {string} what
   * @param {(packet: Ipv4Packet) => boolean} wanted
   * @param {number} [limit] milliseconds
   */
  first(what, wanted, limit = PATIENCE) {
    let next = 0;
    const find = () => {
      while (next < this.packets.length) {
        const packet = this.packets[next++];
        if (packet !== undefined && wanted(packet)) return packet;
      }
      return undefined;
    };
    return this.#waiting.until(what, find, limit);
  }

  /** Packets of UDP to a group (and port), oldest first. */
  stream(/** @type {string} */ group) {
    return this.packets.filter((packet) => packet.protocol === 17 && packet.destination === group);
  }
}

/**
 * The RTP fields of a UDP packet and, at its end, the 4-octet MKI of an AEAD suite.
 * @param {Ipv4Packet} packet
 */
export function rtp({ payload }) {
  const datagram = payload.subarray(8);
  return {
    sequence: datagram.readUInt16BE(2),
    ssrc: datagram.readUInt32BE(8),
    mki: datagram.readUInt32BE(datagram.length - 4),
    body: datagram.subarray(12),
  };
}
