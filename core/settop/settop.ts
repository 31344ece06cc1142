// The set-top (claims 8 and 9): viewings, stops, and the journal that makes both survive a power cut.
import { toHex } from "../base/bytes.ts";
import { Counters } from "../base/counters.ts";
import type { Machine } from "../base/machine.ts";
import { type Duration, earliest, type Instant, milliseconds, seconds } from "../base/time.ts";
import { overwriteKeys } from "../control/epoch-key.ts";
import type { Message, MessageOf, Notice } from "../control/messages.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { JournalEntry } from "../ports/journal.ts";
import type { Channel, Refusal, SettopDrop, SettopEffect, SettopEvent, StreamSign } from "./events.ts";
import { PendingStops } from "./pending-stops.ts";
import { type SettopStatus, statusOf } from "./status.ts";
import type { UnmanagedSender } from "./unmanaged.ts";
import { Viewing } from "./viewing.ts";

/** What the machine is told at its start; `channels` may change later (event "channels"). */
export interface SettopOptions {
  /** This device's id. */
  readonly device: string;
  readonly channels: readonly Channel[];
  /** Channels viewed at once; 8 unless told otherwise. */
  readonly most?: number;
  /** The old key is kept this long after a switch; 2 s unless told otherwise, never less. */
  readonly overlap?: Duration;
  /** After a denial the group is left this much later; 2 s unless told otherwise. */
  readonly linger?: Duration;
}

const MOST = 8;
const OVERLAP = seconds(2);
const LINGER = seconds(2);

/**
 * Effects of one call are applied in order. `remember` stands before the first request of a reception, so that a reception the key
 * server knows of is never forgotten by the device.
 */
export class Settop implements Machine<SettopEvent, SettopEffect> {
  readonly #entropy: Entropy;
  readonly #device: { readonly device: string; readonly overlap: Duration; readonly linger: Duration };
  readonly #most: number;
  readonly #drops = new Counters<SettopDrop>();
  readonly #viewings = new Map<string, Viewing>();
  readonly #stops: PendingStops;
  readonly #calendar: Calendar;
  #channels: ReadonlyMap<string, Channel>;
  #brokerUp = false;
  #quitting = false;
  #finished = false;
  /** The journal no longer says what is so. */
  #stale = false;

  /** `left` is what the journal held: receptions that a power cut ended. */
  constructor(
    options: SettopOptions,
    entropy: Entropy,
    calendar: Calendar,
    left: readonly JournalEntry[],
    now: Instant,
  ) {
    const overlap = milliseconds(Math.max(OVERLAP, options.overlap ?? OVERLAP));
    this.#device = { device: options.device, overlap, linger: options.linger ?? LINGER };
    this.#most = options.most ?? MOST;
    this.#entropy = entropy;
    this.#calendar = calendar;
    this.#channels = byId(options.channels);
    this.#stops = new PendingStops(entropy, calendar);
    for (const entry of left) this.#forgotten(this.#stops.restore(now, entry));
  }

  receive(now: Instant, event: SettopEvent): readonly SettopEffect[] {
    return [...this.#handle(now, event), ...this.poll(now)];
  }

  poll(now: Instant): readonly SettopEffect[] {
    const effects: SettopEffect[] = [];
    // 83 before 73: at a concurrent limit the place is freed before it is asked for.
    if (this.#brokerUp) for (const message of this.#stops.due(now)) effects.push({ kind: "send", message });
    for (const viewing of this.#viewings.values()) {
      const known = viewing.known;
      effects.push(...viewing.due(now, this.#brokerUp));
      this.#stale ||= viewing.known !== known;
    }
    if (this.#stale) effects.unshift({ kind: "remember", entries: this.#entries() });
    this.#stale = false;
    if (this.#quitting && !this.#finished && this.#stops.size === 0) {
      this.#finished = true;
      effects.push({ kind: "finished" });
    }
    return effects;
  }

  nextDeadline(): Instant | undefined {
    const viewings = [...this.#viewings.values()].map((viewing) => viewing.nextDeadline(this.#brokerUp));
    return earliest([this.#brokerUp ? this.#stops.nextDeadline() : undefined, ...viewings]);
  }

  status(now: Instant): SettopStatus {
    return {
      broker: this.#brokerUp,
      viewings: [...this.#viewings.values()].map((viewing) => statusOf(now, viewing)),
      pendingStops: this.#stops.status,
      drops: this.#drops.snapshot(),
    };
  }

  #handle(now: Instant, event: SettopEvent): readonly SettopEffect[] {
    switch (event.kind) {
      case "tune":
        return this.#tune(now, event.channel);
      case "stop":
        return this.#viewings.has(event.channel) ? this.#end(now, event.channel) : refuse("settop.not-tuned", event);
      case "zap":
        return this.#zap(now, event.channel, event.from);
      case "quit":
        this.#quitting = true;
        return this.#endAll(now, () => true);
      case "channels":
        return this.#reconfigured(now, event.channels);
      case "answer":
        return this.#answered(now, event.message);
      case "notice":
        this.#noticed(now, event.notice, event.retained ?? false);
        return [];
      case "broker":
        this.#brokerChanged(now, event.up);
        return [];
      case "joined":
        this.#viewings.get(event.channel)?.joined();
        return [];
      case "join-failed":
        return this.#viewings.get(event.channel)?.joinFailed(now, event.why) ?? [];
      case "stream":
        this.#signed(now, event.channel, event.sign);
        return [];
    }
  }

  #tune(now: Instant, id: string): readonly SettopEffect[] {
    const channel = this.#channels.get(id);
    const refusal = this.#refusal(channel, id, this.#viewings.size);
    if (channel === undefined || refusal !== undefined)
      return refuse(refusal ?? "settop.unknown-channel", { channel: id });
    const viewing = new Viewing(channel, this.#device, this.#entropy, now);
    this.#viewings.set(id, viewing);
    return [{ kind: "watch", channel: id }, ...viewing.begin()];
  }

  /** Old and new in parallel: the new channel does not wait for the acknowledgement of the old one's stop. */
  #zap(now: Instant, id: string, from: string | undefined): readonly SettopEffect[] {
    const ending = from === undefined ? this.#viewings.size : Number(this.#viewings.has(from));
    if (from !== undefined && ending === 0) return refuse("settop.not-tuned", { channel: from });
    if (this.#viewings.has(id)) return refuse("settop.already-tuned", { channel: id });
    const refusal = this.#refusal(this.#channels.get(id), id, this.#viewings.size - ending);
    if (refusal !== undefined) return refuse(refusal, { channel: id });
    const ended = this.#endAll(now, (channel) => from === undefined || channel === from);
    return [...ended, ...this.#tune(now, id)];
  }

  #refusal(channel: Channel | undefined, id: string, viewings: number): Refusal | undefined {
    if (this.#quitting) return "settop.quitting";
    if (channel === undefined) return "settop.unknown-channel";
    if (this.#viewings.has(id)) return "settop.already-tuned";
    return viewings >= this.#most ? "settop.too-many-channels" : undefined;
  }

  /** 81 and 83. A reception that no request has told the key server of needs no stop. */
  #end(now: Instant, id: string): readonly SettopEffect[] {
    const viewing = this.#viewings.get(id);
    if (viewing === undefined) return [];
    this.#viewings.delete(id);
    if (viewing.known) {
      this.#forgotten(this.#stops.add(now, viewing.reception, id));
      this.#stale = true;
    }
    const note = { kind: "note", note: "stopped", channel: id, text: toHex(viewing.reception) } as const;
    return [...viewing.end(), { kind: "unwatch", channel: id }, note];
  }

  #endAll(now: Instant, which: (channel: string) => boolean): readonly SettopEffect[] {
    return [...this.#viewings.keys()].filter(which).flatMap((id) => this.#end(now, id));
  }

  #reconfigured(now: Instant, channels: readonly Channel[]): readonly SettopEffect[] {
    const fresh = byId(channels);
    const moved = (id: string): boolean => !sameChannel(this.#channels.get(id), fresh.get(id));
    const ended = this.#endAll(now, moved);
    this.#channels = fresh;
    return ended;
  }

  #answered(now: Instant, message: Message): readonly SettopEffect[] {
    switch (message.type) {
      case "key.grant":
      case "key.denied":
      case "key.busy":
        return this.#keyAnswer(now, message);
      case "stop.acknowledged":
        return this.#acknowledged(now, message);
      default:
        this.#drops.count("settop.message-unexpected");
        return [];
    }
  }

  #keyAnswer(
    now: Instant,
    message: MessageOf<"key.grant"> | MessageOf<"key.denied"> | MessageOf<"key.busy">,
  ): readonly SettopEffect[] {
    const viewing = this.#viewings.get(message.channel);
    if (viewing === undefined || !viewing.asked(message.id)) {
      // A repeat's second answer, or one for a viewing that has ended: never installed.
      if (message.type === "key.grant") overwriteKeys(message.epochs);
      this.#drops.count("settop.answer-unexpected");
      return [];
    }
    const known = viewing.known;
    const effects = answer(viewing, now, message);
    // A reception that the server has ended needs no stop any more.
    this.#stale ||= known !== viewing.known;
    if (typeof effects !== "string") return effects;
    this.#drops.count(effects);
    return [];
  }

  /** 86: only now is the reception over. */
  #acknowledged(now: Instant, message: MessageOf<"stop.acknowledged">): readonly SettopEffect[] {
    if (!this.#stops.acknowledged(message.reception)) {
      this.#drops.count("settop.answer-unexpected");
      return [];
    }
    this.#stale = true;
    for (const viewing of this.#viewings.values()) viewing.placeFreed(now);
    return [{ kind: "note", note: "acknowledged", channel: message.channel, text: toHex(message.reception) }];
  }

  /**
   * A notice that the broker kept has aged; a calendar that is wrong makes us ask early, never late. A fresh one is as old as its way
   * here: a key server whose calendar is behind must not make all devices ask at once.
   */
  #noticed(now: Instant, notice: Notice, retained: boolean): void {
    const viewing = this.#viewings.get(notice.channel);
    const age = retained ? Math.max(0, this.#calendar.unix(now) - notice.issued) : 0;
    const away = milliseconds(Math.max(0, notice.switchIn - age));
    const drop =
      viewing === undefined
        ? "settop.notice-unwatched"
        : viewing.noticed(now, notice.epoch, away, milliseconds(notice.window));
    if (drop !== undefined) this.#drops.count(drop);
  }

  #brokerChanged(now: Instant, up: boolean): void {
    this.#brokerUp = up;
    if (!up) return;
    this.#stops.reconnected(now);
    for (const viewing of this.#viewings.values()) viewing.reconnected(now);
  }

  #signed(now: Instant, channel: string, sign: StreamSign): void {
    this.#viewings.get(channel)?.sign(now, sign);
  }

  #forgotten(channels: readonly string[]): void {
    if (channels.length === 0) return;
    this.#drops.count("settop.stop-forgotten", channels.length);
    this.#stale = true;
  }

  #entries(): readonly JournalEntry[] {
    const live = [...this.#viewings.values()].filter((viewing) => viewing.known);
    const entries = live.map(({ reception, channel }) => ({ reception, channel: channel.id }));
    return [...this.#stops.entries, ...entries];
  }
}

const byId = (channels: readonly Channel[]): ReadonlyMap<string, Channel> =>
  new Map(channels.map((channel) => [channel.id, channel]));

const sameChannel = (a: Channel | undefined, b: Channel | undefined): boolean =>
  a?.group === b?.group && a?.port === b?.port && a?.source === b?.source && sameSender(a?.unmanaged, b?.unmanaged);

const sameSender = (a: UnmanagedSender | undefined, b: UnmanagedSender | undefined): boolean =>
  JSON.stringify(a) === JSON.stringify(b);

const refuse = (refusal: Refusal, { channel }: { readonly channel: string }): readonly SettopEffect[] => [
  { kind: "refused", refusal, channel },
];

function answer(
  viewing: Viewing,
  now: Instant,
  message: MessageOf<"key.grant"> | MessageOf<"key.denied"> | MessageOf<"key.busy">,
): readonly SettopEffect[] | SettopDrop {
  switch (message.type) {
    case "key.grant":
      return viewing.granted(now, message);
    case "key.denied":
      return viewing.denied(now, message);
    case "key.busy":
      return viewing.busy(now, message);
  }
}
