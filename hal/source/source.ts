// Where a channel's clear payload comes from. Drivers: network (UDP and RTP), paced (files and standard input).
import type { Instant } from "../../core/base/time.ts";
import type { HalError } from "../../core/ports/errors.ts";

/** Where it goes to. */
export interface Intake {
  /** One datagram as it came from the network; read during the call. */
  datagram(now: Instant, datagram: Uint8Array): void;
  /** from[start, end) as one packet; read during the call. */
  payload(now: Instant, from: Uint8Array, start: number, end: number): void;
  /** False while no packet would be taken: a source that can wait does. */
  readonly hasRoom: boolean;
}

/** What becomes of a source; `ended` comes once at most, and not after `stop`. */
export interface SourceListener {
  /** It gives nothing more, or could not be closed. */
  failed(error: HalError): void;
  /** The end of standard input, or of a file that is not looped. */
  ended(): void;
}

/** A running input. `stop` may be called at any time, also twice. */
export interface Source {
  stop(): void;
  /** Plain JSON values for `status`. */
  status(): object;
}
