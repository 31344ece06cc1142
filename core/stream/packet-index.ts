// The 48-bit SRTP packet index (RFC 3711 section 3.3.1): 2^16 * ROC + SEQ, exact in a JavaScript number.

/** One whole turn of the sequence number: the distance between neighbouring guesses. */
export const TURN = 0x10000;
/** Half a turn: further than this, a guess may be wrong by one turn. */
export const HALF_TURN = 0x8000;

/** The largest index a master key and an SSRC may reach (RFC 3711 section 9.2). */
export const LAST_INDEX = 2 ** 48 - 1;

/** `roc` is a uint32, `sequence` a uint16. */
export const indexOf = (roc: number, sequence: number): number => roc * TURN + sequence;
/** The ROC of an index, a uint32. */
export const rolloverOf = (index: number): number => Math.floor(index / TURN);
/** The sequence number of an index, a uint16. */
export const sequenceOfIndex = (index: number): number => index % TURN;

/** The index with this sequence number that is nearest to `reference`, as RFC 3711 Appendix A guesses it; may be negative. */
export function nearestIndex(reference: number, sequence: number): number {
  const roc = rolloverOf(reference);
  const highest = sequenceOfIndex(reference);
  if (highest < HALF_TURN) return indexOf(sequence - highest > HALF_TURN ? roc - 1 : roc, sequence);
  return indexOf(highest - HALF_TURN > sequence ? roc + 1 : roc, sequence);
}
