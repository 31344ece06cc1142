// Where a decoder can begin: the random access points of a transport stream (ISO/IEC 13818-1 section 2.4.3.5).
import { hasRandomAccess, NULL_PID, pcrOf, pidOf, syncedUntil, TS_PACKET } from "./packet.ts";

/**
 * Looks for one, from some place of the stream on. Sound marks every frame, so a mark counts on the PID that carries the clock alone, which
 * is the picture's where there is one.
 */
export class RandomAccessSearch {
  #clock = NULL_PID;

  /** Whether one is in stream[start, end), which are the next packets; true as well where these are no whole transport stream packets. */
  finds(stream: Uint8Array, start: number, end: number): boolean {
    if (syncedUntil(stream, start, end) !== end) return true;
    for (let at = start; at < end; at += TS_PACKET) {
      if (pcrOf(stream, at) !== undefined) this.#clock = pidOf(stream, at);
      if (pidOf(stream, at) === this.#clock && hasRandomAccess(stream, at)) return true;
    }
    return false;
  }
}
