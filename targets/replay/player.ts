// Plays a capture: each packet in its time, to the machines, and onto the wire.
import type { CapturedPacket } from "../../core/capture/captured-packet.ts";
import { LONGEST_GAP, type Replay } from "../../core/capture/replay.ts";
import type { Batch } from "./input.ts";
import type { Pace } from "./pace.ts";
import type { Transmission } from "./transmission.ts";

/** What a capture is played to, and how. */
export interface PlayerOptions {
  readonly replay: Replay;
  /** undefined: as fast as possible. */
  readonly pace: Pace | undefined;
  readonly transmission: Transmission | undefined;
  /** Called when something may have been told; false ends the playing. */
  readonly told: () => Promise<boolean>;
}

/** One capture, played once or again and again. */
export class Player {
  readonly #options: PlayerOptions;
  #last: number | undefined;
  readonly #stopping = new AbortController();

  constructor(options: PlayerOptions) {
    this.#options = options;
  }

  /** Whatever is playing ends, and nothing is played any more. */
  stop(): void {
    this.#stopping.abort();
    this.#options.pace?.stop();
  }

  get isStopped(): boolean {
    return this.stopped.aborted;
  }

  /** For whoever reads the capture: nothing more of it is wanted. */
  get stopped(): AbortSignal {
    return this.#stopping.signal;
  }

  /**
   * `watched`: to the machines too, whose time is over after the first pass. Rejects as the batches and the transmission do; what was
   * played before counts.
   */
  async play(batches: AsyncIterable<Batch>, watched: boolean): Promise<void> {
    for await (const batch of batches) {
      for (const item of batch) {
        if (this.isStopped) return;
        if (typeof item !== "string") await this.#packet(item, watched);
        else if (watched) this.#options.replay.fault(item);
      }
      await this.#tell();
    }
    await this.#options.transmission?.flush();
  }

  async #packet(packet: CapturedPacket, watched: boolean): Promise<void> {
    const { replay, pace, transmission } = this.#options;
    if (pace !== undefined) {
      if (watched) await this.#passTime(pace, packet.at);
      await pace.until(packet.at);
    }
    if (this.isStopped) return;
    if (watched) replay.packet(packet);
    if (pace !== undefined) await this.#tell();
    await transmission?.packet(packet);
  }

  /** What time brings is told in its time; nothing happened in a gap of days. */
  async #passTime(pace: Pace, until: number): Promise<void> {
    const { replay } = this.#options;
    const gap = until - (this.#last ?? until);
    this.#last = until;
    if (gap > LONGEST_GAP) return;
    for (let due = replay.nextDeadline(); due !== undefined && due < until; due = replay.nextDeadline()) {
      await pace.until(due);
      if (this.isStopped) return;
      replay.advance(due);
      await this.#tell();
    }
  }

  async #tell(): Promise<void> {
    if (!(await this.#options.told())) this.stop();
  }
}
