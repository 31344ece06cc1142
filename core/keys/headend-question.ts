// What a headend is asked until it has done it: to make an epoch that is demanded (claim 3), or to take one that is
// offered (claim 7).
import { after, type Duration, type Instant, instant, milliseconds } from "../base/time.ts";
import { newRequestId } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { Step } from "./epochs.ts";
import type { OfferTerms } from "./events.ts";

/** Between the first two repetitions; each further wait is twice the last, and each is spread by up to 0.6 s. */
export const FIRST_REPEAT: Duration = milliseconds(700);
/** No wait is longer, its spread apart. */
export const SLOWEST_REPEAT: Duration = milliseconds(5_000);
const SPREAD = 600;
const AT_ONCE = instant(0);

/** An offer as it was sent last: the headend counts `switchIn` from `sent`. */
export interface SentOffer extends OfferTerms {
  readonly sent: Instant;
}

interface Repetition {
  readonly next: Instant;
  readonly attempts: number;
}

type Asked = Repetition &
  ({ readonly step: "demand"; readonly id: Uint8Array } | ({ readonly step: "offer" } & SentOffer));

/** One question at a time: a channel has either a demand for its headend or an offer (`nextStep`). */
export class HeadendQuestion {
  readonly #entropy: Entropy;
  /** Undefined until it is asked: after a restart, what the record says is to be asked is due at once. */
  #asked: Asked | undefined;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  /** When it is to be asked, for the first time or again. */
  get next(): Instant {
    return this.#asked?.next ?? AT_ONCE;
  }

  get offer(): SentOffer | undefined {
    return this.#asked?.step === "offer" ? this.#asked : undefined;
  }

  /** The demand is sent now. Its id, the same in every repetition: a headend makes one epoch of one demand. */
  demand(now: Instant): Uint8Array {
    const asked = this.#asked?.step === "demand" ? this.#asked : undefined;
    const id = asked?.id ?? newRequestId(this.#entropy);
    this.#asked = { step: "demand", id, ...this.#repetition(now, asked?.attempts ?? 0) };
    return id;
  }

  /** A new offer is sent now. */
  beginOffer(now: Instant, terms: OfferTerms): void {
    this.#offer(now, terms, 0);
  }

  /** The offer is sent again now: on the terms that it had, or, when they were lost in a restart, with `switchIn`. */
  repeatOffer(now: Instant, switchIn: Duration): OfferTerms {
    const terms = this.offer ?? { id: newRequestId(this.#entropy), switchIn };
    this.#offer(now, terms, this.#asked?.attempts ?? 0);
    return terms;
  }

  /** What is not the channel's next step is asked no longer; another demand than this one gets an id of its own. */
  keepOnly(step: Step["kind"] | undefined): void {
    if (this.#asked?.step !== step) this.#asked = undefined;
  }

  #offer(now: Instant, { id, switchIn }: OfferTerms, attempts: number): void {
    this.#asked = { step: "offer", id, switchIn, sent: now, ...this.#repetition(now, attempts) };
  }

  /** Sent now, after `attempts` times before. */
  #repetition(now: Instant, attempts: number): Repetition {
    const wait = Math.min(SLOWEST_REPEAT, FIRST_REPEAT * 2 ** Math.min(attempts, 8));
    return { attempts: attempts + 1, next: after(now, milliseconds(wait + this.#entropy.below(SPREAD))) };
  }
}
