// One channel at the headend: its epochs in either way (claims 3 and 7), and its position told every second.
import { sameBytes } from "../base/bytes.ts";
import { Counters } from "../base/counters.ts";
import type { Machine } from "../base/machine.ts";
import { after, earliest, type Instant, remaining, seconds } from "../base/time.ts";
import type { Message, MessageOf } from "../control/messages.ts";
import { newRequestId, Requester } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";
import { EpochClock } from "./epoch-clock.ts";
import type { ChannelDrop, ChannelEffect, ChannelEvent, ChannelOptions, HeadendChannelStatus } from "./events.ts";
import { OfferedEpochs } from "./offered-epochs.ts";
import { ProposedEpochs } from "./proposed-epochs.ts";
import { onlySends } from "./sends.ts";

const REPORT_EVERY = seconds(1);
/** A proposal waits for no longer than this between repetitions: a stream without new keys is worse than a message. */
const REQUESTS = { outstanding: 4, slowest: seconds(5) };

type Way =
  | { readonly keys: "headend"; readonly epochs: ProposedEpochs }
  | { readonly keys: "key-server"; readonly epochs: OfferedEpochs };

/** Nothing may be sent before the first "switch": a started headend always begins with a new epoch. */
export class HeadendChannel implements Machine<ChannelEvent, ChannelEffect> {
  readonly #options: ChannelOptions;
  readonly #entropy: Entropy;
  readonly #requester: Requester;
  readonly #clock: EpochClock;
  readonly #way: Way;
  readonly #drops = new Counters<ChannelDrop>();
  #brokerUp = false;
  #nextReport: Instant | undefined;

  constructor(options: ChannelOptions, entropy: Entropy, now: Instant) {
    this.#options = options;
    this.#entropy = entropy;
    this.#requester = new Requester(entropy, REQUESTS);
    this.#clock = new EpochClock(options.parameters.interval, now);
    const made = [options, entropy, this.#requester, this.#clock] as const;
    this.#way =
      options.keys === "headend"
        ? { keys: "headend", epochs: new ProposedEpochs(...made) }
        : { keys: "key-server", epochs: new OfferedEpochs(...made) };
  }

  receive(now: Instant, event: ChannelEvent): readonly ChannelEffect[] {
    const effects = event.kind === "broker" ? this.#brokerChanged(now, event.up) : this.#heard(now, event);
    return [...effects, ...this.poll(now)];
  }

  poll(now: Instant): readonly ChannelEffect[] {
    return [
      ...this.#clock.due(now),
      ...this.#way.epochs.due(now),
      ...onlySends(this.#requester.poll(now)),
      ...this.#report(now),
    ];
  }

  nextDeadline(): Instant | undefined {
    return earliest([
      this.#clock.nextDeadline(),
      this.#way.epochs.nextDeadline(),
      this.#requester.nextDeadline(),
      this.#nextReport,
    ]);
  }

  status(now: Instant): HeadendChannelStatus {
    const { ready } = this.#clock;
    const way = this.#way;
    return {
      channel: this.#options.parameters.channel,
      broker: this.#brokerUp,
      epoch: this.#clock.epoch,
      next: ready?.epoch ?? way.epochs.pending,
      switchIn: ready === undefined ? undefined : remaining(now, ready.at),
      alarm: this.#clock.alarm,
      switches: this.#clock.switches,
      refused: way.epochs.refused,
      demanded: way.keys === "headend" ? way.epochs.demanded : 0,
      alarms: this.#clock.alarms.snapshot(),
      drops: this.#drops.snapshot(),
    };
  }

  #brokerChanged(now: Instant, up: boolean): readonly ChannelEffect[] {
    if (up && !this.#brokerUp) this.#requester.hurry(now);
    this.#brokerUp = up;
    return [];
  }

  #heard(now: Instant, event: ChannelEvent & { kind: "message" }): readonly ChannelEffect[] {
    const { from, message } = event;
    if (!sameBytes(from.publicKey, this.#options.keyServer.publicKey)) return this.#drop("headend.stranger");
    switch (message.type) {
      case "epoch.accepted":
      case "epoch.refused":
        return this.#answered(now, event, message);
      case "epoch.offer":
        return this.#offered(now, event, message);
      case "epoch.demand":
        return this.#way.keys === "headend"
          ? this.#orDrop(this.#way.epochs.demand(now, message))
          : this.#drop("headend.message-unexpected");
      default:
        return this.#drop("headend.message-unexpected");
    }
  }

  #answered(
    now: Instant,
    { from }: ChannelEvent & { kind: "message" },
    answer: MessageOf<"epoch.accepted"> | MessageOf<"epoch.refused">,
  ): readonly ChannelEffect[] {
    const matched = this.#requester.receive(now, from, answer);
    if (matched === "answer.unknown") return this.#drop("headend.answer-unknown");
    if (matched === "answer.unexpected") return this.#drop("headend.answer-unexpected");
    const way = this.#way;
    if (answer.type === "epoch.refused") return way.epochs.refusal(now, answer);
    return way.keys === "headend" ? this.#orDrop(way.epochs.accepted(now, answer)) : way.epochs.accepted(answer);
  }

  /** An offer comes as the answer to "epoch.wanted", or by itself when the key server renews a key. */
  #offered(
    now: Instant,
    { from }: ChannelEvent & { kind: "message" },
    offer: MessageOf<"epoch.offer">,
  ): readonly ChannelEffect[] {
    if (this.#way.keys !== "key-server") return this.#drop("headend.message-unexpected");
    const asked = typeof this.#requester.receive(now, from, offer) !== "string";
    const verdict = this.#way.epochs.offer(now, offer, asked);
    if (verdict.drop !== undefined) this.#drops.count(verdict.drop);
    return verdict.effects;
  }

  /** From the first switch on, every second; a report that is lost is made good by the next. */
  #report(now: Instant): readonly ChannelEffect[] {
    const current = this.#clock.epoch;
    if (current === undefined || (this.#nextReport !== undefined && now < this.#nextReport)) return [];
    this.#nextReport = after(now, REPORT_EVERY);
    const { ssrc, roc, seq } = this.#options.position();
    const message: Message = {
      type: "stream.report",
      id: newRequestId(this.#entropy),
      channel: this.#options.parameters.channel,
      ssrc,
      roc,
      seq,
      current,
      endsIn: Math.round(remaining(now, this.#clock.plannedEnd ?? now)),
    };
    return [{ kind: "send", to: this.#options.keyServer, message }];
  }

  #orDrop(result: readonly ChannelEffect[] | ChannelDrop): readonly ChannelEffect[] {
    return typeof result === "string" ? this.#drop(result) : result;
  }

  #drop(drop: ChannelDrop): readonly ChannelEffect[] {
    this.#drops.count(drop);
    return [];
  }
}
