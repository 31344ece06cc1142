// Claim 7: the key server makes the keys. Ask for epochs at the start, take each offer, switch when it says.
import { after, type Instant, instant, milliseconds, seconds } from "../base/time.ts";
import { overwriteKeys } from "../control/epoch-key.ts";
import type { EpochKey, MessageOf } from "../control/messages.ts";
import { newRequestId, type Requester } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";
import { lengthsOf } from "../stream/suites.ts";
import type { EpochClock } from "./epoch-clock.ts";
import type { ChannelDrop, ChannelEffect, ChannelOptions } from "./events.ts";
import { onlySends } from "./sends.ts";
import { startOf } from "./start-position.ts";

/** A headend that may not serve the channel asks again after this: the operator may have corrected it. */
const NOT_AUTHORISED_WAIT = seconds(30);
const PENDING = "wanted";
const TAKEN = "taken";

/** What an offer leads to; an offer that is of no use may still lead to a question. */
export interface OfferResult {
  readonly effects: readonly ChannelEffect[];
  /** Why it was not taken. */
  readonly drop?: ChannelDrop;
}

const dropped = (drop: ChannelDrop): OfferResult => ({ effects: [], drop });

type State =
  | { readonly kind: "idle" }
  /** "epoch.wanted" is on its way, and repeated. */
  | { readonly kind: "asked" }
  /** An offer is taken, and not in preparation before the key server has said that the notice is out. */
  | { readonly kind: "taken"; readonly key: EpochKey; readonly at: Instant };

/** One per channel of which the key server makes the keys. */
export class OfferedEpochs {
  readonly #options: ChannelOptions;
  readonly #entropy: Entropy;
  readonly #requester: Requester;
  readonly #clock: EpochClock;
  #state: State = { kind: "idle" };
  /** After a refusal: no question before this. */
  #notBefore: Instant = instant(0);
  refused = 0;

  constructor(options: ChannelOptions, entropy: Entropy, requester: Requester, clock: EpochClock) {
    this.#options = options;
    this.#entropy = entropy;
    this.#requester = requester;
    this.#clock = clock;
  }

  /** Asks at the start, and again when an epoch has outlived its interval without an offer: the key server may have forgotten us. */
  due(now: Instant): readonly ChannelEffect[] {
    const at = this.#askAt();
    return at === undefined || at > now ? [] : this.#ask(now);
  }

  nextDeadline(): Instant | undefined {
    return this.#askAt();
  }

  /** The epoch that is taken and not accepted yet. */
  get pending(): number | undefined {
    return this.#state.kind === "taken" ? this.#state.key.epoch : undefined;
  }

  /**
   * An offer again means that our "taken" did not arrive and no notice has gone out: the countdown starts anew, so that the switch
   * is never earlier than the notice says. `asked`: it answers our own question. A key that is not taken, or whose place another takes, is
   * overwritten.
   */
  offer(now: Instant, offer: MessageOf<"epoch.offer">, asked: boolean): OfferResult {
    const before = this.#taken;
    const result = this.#judged(now, offer, asked);
    const installed = result.effects.flatMap((effect) => (effect.kind === "install" ? [effect.key] : []));
    overwriteKeys([...before, offer.key], [...this.#taken, ...installed]);
    return result;
  }

  get #taken(): readonly EpochKey[] {
    return this.#state.kind === "taken" ? [this.#state.key] : [];
  }

  #judged(now: Instant, offer: MessageOf<"epoch.offer">, asked: boolean): OfferResult {
    const lengths = lengthsOf(this.#options.parameters.stream.suite);
    const { masterKey, masterSalt, epoch } = offer.key;
    if (masterKey.length !== lengths.key || masterSalt.length !== lengths.salt)
      return dropped("headend.offer-unusable");
    const current = this.#clock.epoch;
    // A key from before a restart would meet the same SSRC and, when the calendar was set back, the same indices.
    if (current === undefined && !asked) return dropped("headend.offer-unasked");
    const ready = this.#clock.ready?.epoch ?? 0;
    if (epoch < Math.max(ready, this.pending ?? 0)) return dropped("headend.offer-stale");
    this.#requester.cancel(PENDING);
    this.#answered();
    // An answer all the same: the key server learns which epoch is in use.
    if (current !== undefined && epoch < current) return { effects: this.#ask(now), drop: "headend.offer-stale" };
    const taken = this.#take(now, offer);
    if (epoch === current || epoch === ready) return { effects: taken };
    // Before its first epoch nobody watches: there is nothing to lose by a switch without notice.
    if (current === undefined) return { effects: [...this.#clock.prepare(offer.key, now), ...taken] };
    this.#state = { kind: "taken", key: offer.key, at: after(now, milliseconds(offer.switchIn)) };
    return { effects: taken };
  }

  /** The notice is out: the switch comes when the offer said. */
  accepted({ epoch }: MessageOf<"epoch.accepted">): readonly ChannelEffect[] {
    if (this.#state.kind !== "taken" || this.#state.key.epoch !== epoch) return [];
    const { key, at } = this.#state;
    this.#state = { kind: "idle" };
    return this.#clock.prepare(key, at);
  }

  /** The question is put again after 30 s. */
  refusal(now: Instant, { reason }: MessageOf<"epoch.refused">): readonly ChannelEffect[] {
    this.refused++;
    this.#answered();
    this.#notBefore = after(now, NOT_AUTHORISED_WAIT);
    return this.#clock.raise(reason === "stale" ? "epochs-exhausted" : "not-authorised");
  }

  #answered(): void {
    if (this.#state.kind === "asked") this.#state = { kind: "idle" };
  }

  #askAt(): Instant | undefined {
    if (this.#state.kind !== "idle" || this.#clock.ready !== undefined) return undefined;
    const end = this.#clock.plannedEnd;
    const planned = end === undefined ? 0 : after(end, this.#options.lead);
    return instant(Math.max(planned, this.#notBefore));
  }

  #take(now: Instant, { id, channel, key }: MessageOf<"epoch.offer">): readonly ChannelEffect[] {
    this.#requester.cancel(TAKEN);
    const message = { type: "epoch.taken", id, channel, epoch: key.epoch } as const;
    return onlySends(this.#requester.ask(now, { to: this.#options.keyServer, message, key: TAKEN }));
  }

  #ask(now: Instant): readonly ChannelEffect[] {
    this.#state = { kind: "asked" };
    const last = this.#clock.epoch;
    const message = {
      type: "epoch.wanted",
      id: newRequestId(this.#entropy),
      parameters: this.#options.parameters,
      ...(last === undefined ? {} : { last }),
      ...startOf(this.#options, this.#clock),
    } as const;
    return onlySends(this.#requester.ask(now, { to: this.#options.keyServer, message, key: PENDING }));
  }
}
