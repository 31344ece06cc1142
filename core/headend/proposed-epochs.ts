// Claim 3: the headend makes the keys. Propose epoch n + 1, wait for the acknowledgement, switch `lead` after it.
// No acknowledgement, no switch: the old key goes on, the proposal is repeated, an alarm tells.
import { toHex } from "../base/bytes.ts";
import { after, type Duration, type Instant, instant, milliseconds, seconds } from "../base/time.ts";
import { overwriteKeys } from "../control/epoch-key.ts";
import { type EpochKey, LAST_EPOCH, type MessageOf } from "../control/messages.ts";
import { Recent } from "../control/recent.ts";
import { newRequestId, type Requester } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";
import { lengthsOf } from "../stream/suites.ts";
import type { EpochClock } from "./epoch-clock.ts";
import type { ChannelDrop, ChannelEffect, ChannelOptions } from "./events.ts";
import { onlySends } from "./sends.ts";
import { startOf } from "./start-position.ts";

/** A headend that may not serve the channel asks again after this: the operator may have corrected it. */
const NOT_AUTHORISED_WAIT = seconds(30);
/** Demands remembered, so that a repeated one does not make another epoch. */
const REMEMBERED_DEMANDS = 16;
const PENDING = "epoch";

interface Proposal {
  readonly id: Uint8Array;
  readonly key: EpochKey;
  readonly switchIn: Duration;
}

/** One per channel of which the headend makes the keys. At most one proposal is open. */
export class ProposedEpochs {
  readonly #options: ChannelOptions;
  readonly #entropy: Entropy;
  readonly #requester: Requester;
  readonly #clock: EpochClock;
  readonly #demands = new Recent<string, true>(REMEMBERED_DEMANDS);
  /** The highest epoch used, proposed, or named by the key server: the next is above it. */
  #last = 0;
  #proposal: Proposal | undefined;
  #notBefore: Instant | undefined;
  refused = 0;
  demanded = 0;

  constructor(options: ChannelOptions, entropy: Entropy, requester: Requester, clock: EpochClock) {
    this.#options = options;
    this.#entropy = entropy;
    this.#requester = requester;
    this.#clock = clock;
  }

  /** The epoch that is proposed and not acknowledged. */
  get pending(): number | undefined {
    return this.#proposal?.key.epoch;
  }

  /** A new epoch is proposed at once at the start, then `lead` before the interval is over. */
  due(now: Instant): readonly ChannelEffect[] {
    const at = this.#proposeAt();
    if (at === undefined || at > now) return [];
    // Nobody can be waiting for the first epoch: it is used as soon as it is acknowledged.
    const lead = this.#clock.epoch === undefined ? milliseconds(0) : this.#options.lead;
    return this.#propose(now, newRequestId(this.#entropy), lead);
  }

  nextDeadline(): Instant | undefined {
    return this.#proposeAt();
  }

  /** Counted from the acknowledgement, so never earlier than the key server's notice says. */
  accepted(now: Instant, answer: MessageOf<"epoch.accepted">): readonly ChannelEffect[] | ChannelDrop {
    const proposal = this.#proposal;
    if (proposal === undefined || answer.epoch !== proposal.key.epoch) return "headend.answer-unexpected";
    this.#proposal = undefined;
    return this.#clock.prepare(proposal.key, after(now, proposal.switchIn));
  }

  /** The key is never used: the next proposal, above what the key server knows, has another. */
  refusal(now: Instant, answer: MessageOf<"epoch.refused">): readonly ChannelEffect[] {
    this.refused++;
    this.#last = Math.max(this.#last, answer.last);
    const { switchIn } = this.#forget();
    if (answer.reason === "stale") return this.#propose(now, newRequestId(this.#entropy), switchIn);
    this.#notBefore = after(now, NOT_AUTHORISED_WAIT);
    return this.#clock.raise("not-authorised");
  }

  /**
   * A device has lost its right: a new epoch now, with the shortest lead. An epoch that was already proposed or acknowledged is
   * abandoned, because that device may hold its key.
   */
  demand(now: Instant, demand: MessageOf<"epoch.demand">): readonly ChannelEffect[] | ChannelDrop {
    const name = toHex(demand.id);
    if (this.#demands.get(name)) return "headend.demand-repeated";
    this.#demands.set(name, true);
    this.demanded++;
    this.#forget();
    this.#clock.abandon();
    const lead = this.#clock.epoch === undefined ? milliseconds(0) : this.#options.shortestLead;
    return this.#propose(now, demand.id, lead);
  }

  #proposeAt(): Instant | undefined {
    if (this.#proposal !== undefined || this.#clock.ready !== undefined) return undefined;
    const end = this.#clock.plannedEnd;
    const planned = end === undefined ? 0 : end - this.#options.lead;
    return instant(Math.max(planned, this.#notBefore ?? 0));
  }

  #propose(now: Instant, id: Uint8Array, switchIn: Duration): readonly ChannelEffect[] {
    if (this.#last >= LAST_EPOCH) {
      this.#notBefore = after(now, NOT_AUTHORISED_WAIT);
      return this.#clock.raise("epochs-exhausted");
    }
    this.#last += 1;
    this.#notBefore = undefined;
    const { parameters, keyServer } = this.#options;
    const key = this.#makeKey(this.#last);
    this.#proposal = { id, key, switchIn };
    const message = {
      type: "epoch.proposal",
      id,
      parameters,
      key,
      switchIn,
      ...startOf(this.#options, this.#clock),
    } as const;
    return onlySends(this.#requester.ask(now, { to: keyServer, message, key: PENDING }));
  }

  #makeKey(epoch: number): EpochKey {
    const lengths = lengthsOf(this.#options.parameters.stream.suite);
    return {
      epoch,
      masterKey: this.#entropy.bytes(lengths.key),
      masterSalt: this.#entropy.bytes(lengths.salt),
    };
  }

  #forget(): { readonly switchIn: Duration } {
    const switchIn = this.#proposal?.switchIn ?? this.#options.lead;
    this.#requester.cancel(PENDING);
    if (this.#proposal !== undefined) overwriteKeys([this.#proposal.key]);
    this.#proposal = undefined;
    return { switchIn };
  }
}
