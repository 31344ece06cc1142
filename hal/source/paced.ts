// Octets in order, sent in units of one packet when they are due: by the PCRs of a transport stream or by a bitrate.

import type { Alarm } from "../../core/base/alarm.ts";
import { after, type Duration, type Instant, instant, milliseconds, seconds } from "../../core/base/time.ts";
import { LoopJoint } from "../../core/mpegts/joint.ts";
import { TsPacer } from "../../core/mpegts/pacer.ts";
import { findSync, syncedUntil, TS_PACKET, TS_PAYLOAD } from "../../core/mpegts/packet.ts";
import type { Clock } from "../../core/ports/clock.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Octets } from "./octets.ts";
import type { Intake, Source, SourceListener } from "./source.ts";

/** How the octets are to be understood and sent. */
export interface PacedOptions {
  /** For status and messages: a path, or "standard input". */
  readonly name: string;
  /** "ts": whole packets of 188 octets, found by their sync octets; "datagram": anything, cut every 1316 octets. */
  readonly content: "ts" | "datagram";
  /** bit/s; without it the PCRs tell. A channel of datagrams needs it. */
  readonly bitrate?: number;
}

/** Read ahead: at 40 Mbit/s this is 100 ms, the most that may lie between two PCRs. */
const READ_AHEAD = 512 * 1024;
/** Sync octets in a row that make a transport stream. */
const SYNCS = 5;
/** So much without a sync is no transport stream. */
const SEARCHED = 64 * 1024;
/** Packets that others write: with a time stamp before each (Blu-ray, M2TS), or with a Reed-Solomon code behind it (DVB). */
const OTHER_SIZES = [192, 204];
/** How far the stream may be behind its time before the time is set anew: a producer that paused, a machine that slept. */
const MOST_BEHIND = seconds(1);
/** While the kernel takes nothing, or there is no epoch yet. */
const FULL_WAIT = milliseconds(2);
const NOW = milliseconds(0);

/** How it stands with the octets. */
type Input =
  | { readonly kind: "idle" }
  | { readonly kind: "reading" }
  /** What is in the buffer is all there will be. */
  | { readonly kind: "ended" }
  | { readonly kind: "failed"; readonly error: unknown };

/**
 * One input that can wait, read ahead and sent in units of at most 1316 octets (seven TS packets). Octets that can be rewound are
 * played for ever: what is not a whole TS packet at their end is left out, and each new pass begins with the marks of `LoopJoint`.
 */
export class PacedSource implements Source {
  readonly #options: PacedOptions;
  readonly #octets: Octets;
  readonly #clock: Clock;
  readonly #intake: Intake;
  readonly #listener: SourceListener;
  readonly #buffer = new Uint8Array(READ_AHEAD);
  readonly #pacer: TsPacer;
  readonly #joint: LoopJoint | undefined;
  /** The buffer holds stream octets [base, base + filled); those before base + sent are gone. */
  #base = 0;
  #sent = 0;
  #filled = 0;
  /** Where in the stream the present pass began. */
  #passFrom = 0;
  #input: Input = { kind: "idle" };
  #synced = false;
  /** Octets cut out because they stood between the end of sync and the next. */
  #lostSync = 0;
  #start: Instant | undefined;
  #restarts = 0;
  #units = 0;
  #stopped = false;
  #wake: (() => void) | undefined;
  #alarm: Alarm | undefined;

  constructor(options: PacedOptions, octets: Octets, clock: Clock, intake: Intake, listener: SourceListener) {
    this.#options = options;
    this.#octets = octets;
    this.#clock = clock;
    this.#intake = intake;
    this.#listener = listener;
    this.#pacer = new TsPacer(options.bitrate);
    this.#joint = octets.rewind !== undefined && options.content === "ts" ? new LoopJoint() : undefined;
  }

  /** Runs until the end or `stop`; failures go to the listener. */
  start(): void {
    this.#run().then(
      () => this.#closed(undefined),
      (error) => this.#closed(error),
    );
  }

  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  status(): object {
    return {
      input: this.#options.name,
      taken: this.#units,
      restarts: this.#restarts,
      "source.lost-sync": this.#lostSync,
    };
  }

  get #ended(): boolean {
    return this.#input.kind === "ended";
  }

  /** One turn sends a unit, or says how long to wait; reading goes on beside it. */
  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#readAhead();
      const wait = this.#turn();
      if (wait === "end") return;
      if (wait === "read") await this.#sleep(undefined);
      else if (wait > 0) await this.#sleep(wait);
    }
  }

  #turn(): Duration | "read" | "end" {
    if (this.#input.kind === "failed") throw this.#input.error;
    if (!this.#pacer.known) this.#refuseUnpaced();
    const unit = this.#pacer.known ? this.#nextUnit() : 0;
    if (unit === 0) return this.#ended ? "end" : "read";
    if (!this.#intake.hasRoom) return FULL_WAIT;
    const wait = this.#untilDue(this.#clock.now());
    if (wait > 0) return wait;
    this.#deliver(unit);
    return NOW;
  }

  /** Keeps the buffer more than half full as far as there is something to read; one read at a time. */
  #readAhead(): void {
    if (this.#input.kind !== "idle" || this.#filled - this.#sent >= READ_AHEAD / 2) return;
    this.#input = { kind: "reading" };
    this.#compact();
    this.#octets.read(this.#buffer, this.#filled).then(
      (got) => this.#arrived(got),
      (error) => {
        this.#input = { kind: "failed", error };
        this.#wake?.();
      },
    );
  }

  #arrived(got: number): void {
    this.#filled += got;
    this.#input = { kind: got === 0 ? "ended" : "idle" };
    this.#scan();
    const { rewind } = this.#octets;
    // A pass without anything to send would be followed by another, for ever.
    if (this.#ended && rewind !== undefined && this.#pacer.scanned > this.#passFrom) this.#again(rewind);
    this.#wake?.();
  }

  /** A read finds at least half of the buffer free, which is more than the marks need. */
  #again(rewind: () => void): void {
    rewind();
    this.#input = { kind: "idle" };
    this.#synced = false;
    this.#filled = this.#pacer.scanned - this.#base;
    if (this.#joint !== undefined) {
      const start = this.#filled;
      this.#filled += this.#joint.length;
      this.#joint.write(this.#buffer, start);
      this.#pacer.scan(this.#buffer, start, this.#filled);
    }
    this.#passFrom = this.#pacer.scanned;
  }

  #compact(): void {
    this.#buffer.copyWithin(0, this.#sent, this.#filled);
    this.#filled -= this.#sent;
    this.#base += this.#sent;
    this.#sent = 0;
  }

  /** Tells the pacer what is new: all of it, or whole TS packets, without what stands between them. */
  #scan(): void {
    let from = this.#pacer.scanned - this.#base;
    if (this.#options.content === "datagram") {
      this.#pacer.scan(this.#buffer, from, this.#filled);
      return;
    }
    while (this.#synced || this.#synchronise(from)) {
      const end = syncedUntil(this.#buffer, from, this.#filled);
      this.#joint?.follow(this.#buffer, from, end);
      this.#pacer.scan(this.#buffer, from, end);
      from = end;
      if (this.#filled - from < TS_PACKET) return;
      this.#synced = false;
    }
  }

  /** Cuts out what stands before the next run of TS packets; false while there is none. */
  #synchronise(from: number): boolean {
    const ready = this.#filled - from;
    if (ready < SYNCS * TS_PACKET && !this.#ended) return false;
    const syncs = Math.max(1, Math.min(SYNCS, Math.floor(ready / TS_PACKET)));
    const at = findSync(this.#buffer, from, this.#filled, syncs);
    if (at < 0 && this.#pacer.scanned === 0) this.#refuseOthers(ready);
    // The last octets may be the beginning of a run whose end is still to come.
    const cut = at >= 0 ? at - from : this.#pacer.scanned === 0 ? 0 : Math.max(0, ready - SYNCS * TS_PACKET);
    this.#buffer.copyWithin(from, from + cut, this.#filled);
    this.#filled -= cut;
    this.#lostSync += cut;
    this.#synced = at >= 0;
    return this.#synced;
  }

  #refuseOthers(searched: number): void {
    if (searched < SEARCHED && !this.#ended) return;
    const size = OTHER_SIZES.find((spacing) => findSync(this.#buffer, 0, this.#filled, SYNCS, spacing) >= 0);
    const what = size === undefined ? "no transport stream" : `a transport stream of ${size}-octet packets`;
    const error = new HalError("source.not-ts", `${this.#options.name} is ${what}`, {
      needs: "packets of 188 octets",
      alternative: 'carry it as it is: "content": "datagram" with a bitrate',
    });
    this.#input = { kind: "failed", error };
  }

  #refuseUnpaced(): void {
    if (!this.#ended && this.#filled < READ_AHEAD / 2) return;
    throw new HalError("source.no-pcr", `${this.#options.name} has no two PCRs in its first ${this.#filled} octets`, {
      needs: "a transport stream with a programme clock, or a configured bitrate",
      alternative: 'configure "bitrate" in bit/s',
    });
  }

  /** Octets of the next packet; at the end the rest, as far as it is whole. 0 when there is none yet. */
  #nextUnit(): number {
    const ready = this.#pacer.scanned - this.#base - this.#sent;
    if (ready >= TS_PAYLOAD) return TS_PAYLOAD;
    return this.#ended ? ready : 0;
  }

  #untilDue(now: Instant): Duration {
    const due = this.#pacer.dueAt(this.#base + this.#sent);
    this.#start ??= instant(now - due);
    if (now - (this.#start + due) > MOST_BEHIND) {
      this.#start = instant(now - due);
      this.#restarts++;
    }
    return milliseconds(this.#start + due - now);
  }

  #deliver(unit: number): void {
    this.#intake.payload(this.#clock.now(), this.#buffer, this.#sent, this.#sent + unit);
    this.#sent += unit;
    this.#units++;
    this.#pacer.release(this.#base + this.#sent);
  }

  /** Until `span` is over, something has been read, or `stop`. */
  #sleep(span: Duration | undefined): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#alarm?.cancel();
        resolve();
      };
      this.#alarm = span === undefined ? undefined : this.#clock.alarm(after(this.#clock.now(), span), resolve);
    });
  }

  #closed(error: unknown): void {
    this.#octets.close().catch((cause) => this.#listener.failed(asHalError(cause)));
    if (error !== undefined) this.#listener.failed(asHalError(error));
    else if (!this.#stopped) this.#listener.ended();
  }
}

const asHalError = (error: unknown): HalError => {
  if (error instanceof HalError) return error;
  throw error;
};
