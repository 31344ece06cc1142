// A transport stream whose every packet can be told from every other: what was sent can be made again from its number.

export const PACKET = 188;
export const PACKETS_PER_DATAGRAM = 7;
const PID = 0x100;

/**
 * Writes packets `first`, `first + 1`, ... into `into` (a multiple of 188 octets): sync byte, PID, continuity counter,
 * the number as 32 bits, and octets derived from it.
 * @param {Buffer} into
 * @param {number} first
 */
export function writePackets(into, first) {
  for (let at = 0, number = first; at < into.length; at += PACKET, number++) {
    into[at] = 0x47;
    into.writeUInt16BE(PID, at + 1);
    into[at + 3] = 0x10 | (number & 0x0f);
    into.writeUInt32BE(number, at + 4);
    let state = (number * 2654435761 + 1) >>> 0;
    for (let word = at + 8; word < at + PACKET; word += 4) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      into.writeUInt32BE(state, word);
    }
  }
}

/** The number of the packet at `at`. */
export const numberAt = (/** @type {Buffer} */ octets, /** @type {number} */ at) => octets.readUInt32BE(at + 4);

/** Gaps that are told one by one. */
const GAPS_TOLD = 20;

/**
 * Holds what came out against what went in. `gaps`: the first packet that is missing and how many, of the first 20 gaps. `identical`: from its first packet on, the output is exactly a part of the
 * input, no packet missing, repeated, moved or changed.
 * @param {Buffer} input
 * @param {Buffer} output
 */
export function compare(input, output) {
  const found = {
    packets: Math.floor(output.length / PACKET),
    lost: 0,
    duplicated: 0,
    corrupt: 0,
    first: -1,
    identical: false,
    gaps: /** @type {[number, number][]} */ ([]),
  };
  if (output.length < PACKET) return found;
  found.first = numberAt(output, 0);
  const begin = found.first * PACKET;
  found.identical = output.length % PACKET === 0 && output.equals(input.subarray(begin, begin + output.length));
  if (found.identical) return found;
  let expected = found.first;
  for (let at = 0; at + PACKET <= output.length; at += PACKET) {
    const number = numberAt(output, at);
    const original = input.subarray(number * PACKET, (number + 1) * PACKET);
    if (!output.subarray(at, at + PACKET).equals(original)) found.corrupt += 1;
    else if (number < expected) found.duplicated += 1;
    else {
      found.lost += number - expected;
      if (number > expected && found.gaps.length < GAPS_TOLD) found.gaps.push([expected, number - expected]);
      expected = number + 1;
    }
  }
  return found;
}
