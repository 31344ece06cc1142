// What is known of a channel's stream while it runs: the epoch in use and the place in it, by the headend's word. Not
// on disk.
import type { Instant } from "../base/time.ts";
import type { Position } from "../control/messages.ts";
import { span } from "./epochs.ts";

/** Roll-over counter and sequence number of the packet that the headend sent last, or will send first. */
export interface StreamPlace {
  readonly roc: number;
  readonly seq: number;
}

/** Lost in a restart; the next report, at most a second later, brings it back. */
export class RunningStream {
  #reported: number | undefined;
  /** By the newest report, or by the first word of a headend that has just started. */
  #place: (StreamPlace & { readonly at: Instant }) | undefined;

  /** The epoch in use, by the newest report. */
  get reported(): number | undefined {
    return this.#reported;
  }

  /** For late joiners; undefined until the headend has said it. */
  position(now: Instant): Position | undefined {
    if (this.#place === undefined) return undefined;
    const { roc, seq, at } = this.#place;
    return { roc, seq, age: span(now - at) };
  }

  /** A headend says where it begins, if it knows. */
  begins(at: Instant, place: StreamPlace | undefined): void {
    if (place !== undefined) this.#place = { at, roc: place.roc, seq: place.seq };
  }

  reports(at: Instant, report: StreamPlace & { readonly current: number }): void {
    this.#reported = report.current;
    this.begins(at, report);
  }

  /** The headend has started again: what it reported before says nothing of the epoch in use. */
  forgetReport(): void {
    this.#reported = undefined;
  }
}
