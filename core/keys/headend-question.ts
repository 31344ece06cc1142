// What a headend is asked until it has done it: to make an epoch that is demanded (claim 3), or to take one that is
// offered (claim 7).
import type { Schedule } from "../base/backoff.ts";
import { type Duration, type Instant, instant, milliseconds, seconds } from "../base/time.ts";
import { OpenQuestion } from "../control/open-question.ts";
import { newRequestId } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { Step } from "./epochs.ts";
import type { OfferTerms } from "./events.ts";

/** Between the first two repetitions; each further wait is twice the last, and each is spread by up to 0.6 s. */
export const FIRST_REPEAT: Duration = milliseconds(700);
/** No wait is longer, its spread apart. */
export const SLOWEST_REPEAT: Duration = seconds(5);
const REPEATS: Schedule = {
  first: FIRST_REPEAT,
  ceiling: SLOWEST_REPEAT,
  range: (span) => ({ from: span, to: milliseconds(span + 600) }),
};
const AT_ONCE = instant(0);

/** An offer as it was sent last: the headend counts `switchIn` from `sent`. */
export interface SentOffer extends OfferTerms {
  readonly sent: Instant;
}

type Asked =
  | { readonly step: "demand"; readonly question: OpenQuestion }
  | { readonly step: "offer"; readonly question: OpenQuestion; readonly switchIn: Duration; readonly sent: Instant };

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
    return this.#asked?.question.due ?? AT_ONCE;
  }

  get offer(): SentOffer | undefined {
    if (this.#asked?.step !== "offer") return undefined;
    const { question, switchIn, sent } = this.#asked;
    return { id: question.id, switchIn, sent };
  }

  /** The demand is sent now. Its id, the same in every repetition: a headend makes one epoch of one demand. */
  demand(now: Instant): Uint8Array {
    const question =
      this.#asked?.step === "demand" ? this.#asked.question : new OpenQuestion(this.#newId(), now, REPEATS);
    question.sent(now, this.#entropy);
    this.#asked = { step: "demand", question };
    return question.id;
  }

  /** A new offer is sent now. */
  beginOffer(now: Instant, { id, switchIn }: OfferTerms): void {
    this.#offer(now, new OpenQuestion(id, now, REPEATS), switchIn);
  }

  /** The offer is sent again now: on the terms that it had, or, when they were lost in a restart, with `switchIn`. */
  repeatOffer(now: Instant, switchIn: Duration): OfferTerms {
    const asked = this.#asked?.step === "offer" ? this.#asked : undefined;
    const question = asked?.question ?? new OpenQuestion(this.#newId(), now, REPEATS);
    const terms = { id: question.id, switchIn: asked?.switchIn ?? switchIn };
    this.#offer(now, question, terms.switchIn);
    return terms;
  }

  /** What is not the channel's next step is asked no longer; another demand than this one gets an id of its own. */
  keepOnly(step: Step["kind"] | undefined): void {
    if (this.#asked?.step !== step) this.#asked = undefined;
  }

  #offer(now: Instant, question: OpenQuestion, switchIn: Duration): void {
    question.sent(now, this.#entropy);
    this.#asked = { step: "offer", question, switchIn, sent: now };
  }

  #newId(): Uint8Array {
    return newRequestId(this.#entropy);
  }
}
