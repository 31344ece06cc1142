// Whom the embedded broker turned away: for `denials`, for `status`, and a line in the log now and then.
import { type Duration, seconds, wholeUnixTime } from "../../core/base/time.ts";
import { Allowance } from "../../core/control/allowance.ts";
import {
  type ClientRefusal,
  REFUSAL_REASONS,
  type RefusedClient,
  RefusedClients,
} from "../../core/control/refused-clients.ts";
import type { Clock } from "../../core/ports/clock.ts";
import { isoTime, type Listed } from "../operator/listing.ts";
import type { Logger } from "../shared/log.ts";

/** Lines in the log, whoever knocks: so many at once, then one in so long. */
const LINES = { burst: 20, spacing: seconds(5) satisfies Duration };
/** In `status`; all are in `denials`. */
const NEWEST = 10;

/** 1, 10, 100 ...: a client that keeps trying is told of ever more seldom. */
const isRound = (count: number): boolean => Number.isInteger(Math.log10(count));

/** Bounded in memory and in lines of the log, whatever strangers send. */
export class BrokerRefusals {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #book = new RefusedClients();
  readonly #lines = new Allowance(LINES);

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  note(refusal: ClientRefusal): void {
    const now = this.#clock.now();
    const client = this.#book.note(wholeUnixTime(this.#clock.unix(now)), refusal);
    if (!isRound(client.count) || !this.#lines.take(now, "")) return;
    const { id, address, count, detail } = client;
    const who = id === undefined ? address : `${id} at ${address}`;
    const reason = REFUSAL_REASONS[client.reason];
    this.#log.warn({ client: id, address, reason, count, detail }, `the broker refuses ${who}: ${reason}`);
  }

  /** Rows for `denials`, the newest last. */
  rows(): readonly Listed[] {
    return this.#book.list().map(rowOf);
  }

  status() {
    return { clients: this.#book.size, forgotten: this.#book.forgotten, newest: this.rows().slice(-NEWEST) };
  }
}

const rowOf = ({ id, address, reason, detail, count, first, last }: RefusedClient): Listed => ({
  at: isoTime(last),
  client: id,
  address,
  reason: `broker: ${REFUSAL_REASONS[reason]}`,
  detail,
  count,
  first: isoTime(first),
});

/** What the reception server refused and whom the broker turned away, in one list by time. */
export async function* withBrokerRefusals(
  denials: AsyncIterable<Listed>,
  refusals: BrokerRefusals,
): AsyncGenerator<Listed> {
  const rows = [...refusals.rows()];
  for await (const denial of denials) rows.push(denial);
  yield* rows.sort(byTime);
}

/** The earlier one first; rows of one moment are equal, and stay in the order in which they came. */
export function byTime(a: Listed, b: Listed): number {
  const [one, other] = [String(a.at), String(b.at)];
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
