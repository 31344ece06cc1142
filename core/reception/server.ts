// The reception server (claim 5): answers inquiries, closes receptions, keeps what the routers saw, demands new keys after a
// revocation. It answers only what is on disk.
//
// A reception is what a set-top calls a viewing, as it is known here: from the first permission until its end is on record. Both have
// the same 16 octets for a name, which the set-top made.
import { sameBytes, toHex } from "../base/bytes.ts";
import { Counters } from "../base/counters.ts";
import type { Machine } from "../base/machine.ts";
import {
  after,
  type Duration,
  earliest,
  type Instant,
  milliseconds,
  minutes,
  seconds,
  type UnixTime,
  wholeUnixTime,
} from "../base/time.ts";
import type { Received, Request } from "../control/mailbox.ts";
import type { Denial, Message, MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { Decision } from "../ports/store.ts";
import type { RekeyDemandRow } from "../ports/tables.ts";
import { decideInquiry, type InquiryOutcome } from "./inquiry.ts";
import { type DecisionSubject, PendingDecisions, type WhenDecided } from "./pending-decisions.ts";
import { decidePermits, type PermitsOutcome } from "./permits.ts";
import { decidePolicyRequest, type PolicyRequestOutcome } from "./policies.ts";
import { PolicyCalls, type RouterBehind } from "./policy-calls.ts";
import { type DemandOutcome, decideSettled } from "./revocation.ts";
import { decideRouterReport, type RouterReportOutcome } from "./router-reports.ts";
import { SentDemands } from "./sent-demands.ts";
import { decideStop, type StopOutcome } from "./stop.ts";
import { decideSweep, type SweepOutcome } from "./sweep.ts";

/** What any decision of this server comes to. */
export type ReceptionOutcome =
  | InquiryOutcome
  | StopOutcome
  | RouterReportOutcome
  | PermitsOutcome
  | PolicyRequestOutcome
  | SweepOutcome
  | DemandOutcome;

/** What the server hears, from the bus, from the store and from the operator's commands. */
export type ReceptionEvent =
  | { readonly kind: "message"; readonly received: Received }
  /** The broker is there, or away. */
  | { readonly kind: "broker"; readonly up: boolean }
  /** The decision given out with this token is on disk. */
  | { readonly kind: "decided"; readonly token: number; readonly outcome: ReceptionOutcome }
  /** The store could not carry it out: nothing is on disk. */
  | { readonly kind: "failed"; readonly token: number }
  /** All rekey demands that are on disk: at the start, and whenever some were added. */
  | { readonly kind: "demands"; readonly rows: readonly RekeyDemandRow[] }
  /** Routers that have not the newest policy: at the start, and whenever the operator has changed some. */
  | { readonly kind: "policies"; readonly behind: readonly RouterBehind[] };

/** What it wants done, in this order. */
export type ReceptionEffect =
  | { readonly kind: "send"; readonly to: Peer; readonly message: Message }
  | { readonly kind: "answer"; readonly request: Request; readonly message: Message }
  /** To be carried out by the store; "decided" or "failed" must follow. */
  | { readonly kind: "decide"; readonly token: number; readonly decision: Decision<ReceptionOutcome> };

/** Why something that came was answered by nothing; counted in `status().drops`. */
export type ReceptionDrop =
  /** From an id or with a key that is no active key server's or router's. */
  | "reception.stranger"
  /** Not what this peer may say, or an answer where a request is due. */
  | "reception.message-unexpected"
  /** Acknowledges no demand, and no word of a policy, that waits: a repetition, most often. */
  | "reception.answer-unknown"
  /** A copy of a request that is being decided. */
  | "reception.repeated"
  /** Too many wait for the store. */
  | "reception.load"
  /** The store failed: nothing was answered, the asker repeats. */
  | "reception.store";

/** Who may speak to this server now. */
export interface ReceptionPeers {
  /** X25519, 32 octets, of an active key server with this id. */
  keyServer(id: string): Uint8Array | undefined;
  /** X25519, 32 octets, of an active router with this id. */
  router(id: string): Uint8Array | undefined;
}

/** From the configuration of control or reception, where they are checked. */
export interface ReceptionOptions {
  /** A reception lapses when no inquiry has come by this long after its last key went out of use. */
  readonly grace: Duration;
  /** What routers saw is kept this long after its end. */
  readonly evidenceFor: Duration;
  /** Decisions that may wait for the store; beyond it "reception.load". */
  readonly waiting: number;
}

/** The documented defaults: a minute of grace, evidence for 90 days. */
export const RECEPTION_OPTIONS: ReceptionOptions = {
  grace: minutes(1),
  evidenceFor: milliseconds(90 * 86_400_000),
  waiting: 20_000,
};

/** An inquiry that was refused, as the operator is shown it. */
export interface RefusalNote {
  readonly at: UnixTime;
  readonly device: string;
  readonly channel: string;
  readonly reason: Denial;
}

/** Refusals shown to the operator. */
const REMEMBERED_REFUSALS = 256;
/** What routers say, and nobody else. */
const OF_ROUTERS: ReadonlySet<string> = new Set([
  "membership.report",
  "permits.request",
  "policy.request",
  "policy.noted",
]);
const SWEEP_EVERY = seconds(5);

type Effects = readonly ReceptionEffect[];

/** Messages of the patent: 74 and 93 in, 75 and 94 out; 84 in, 85 out. */
export class ReceptionServer implements Machine<ReceptionEvent, ReceptionEffect> {
  readonly #peers: ReceptionPeers;
  readonly #calendar: Calendar;
  readonly #options: ReceptionOptions;
  readonly #pending: PendingDecisions<ReceptionOutcome, ReceptionEffect>;
  readonly #demands: SentDemands;
  readonly #policies: PolicyCalls;
  readonly #refusals: RefusalNote[] = [];
  readonly #refused = new Counters<Denial>();
  readonly #outcomes = new Counters<string>();
  readonly #drops = new Counters<ReceptionDrop>();
  #sweepAt: Instant;
  #sweeping = false;
  #away = false;

  /** The first sweep waits for the grace: devices could not ask while this server was down. */
  constructor(peers: ReceptionPeers, calendar: Calendar, entropy: Entropy, now: Instant, options = RECEPTION_OPTIONS) {
    this.#peers = peers;
    this.#calendar = calendar;
    this.#options = options;
    this.#pending = new PendingDecisions(options.waiting);
    this.#demands = new SentDemands((id) => peers.keyServer(id), entropy);
    this.#policies = new PolicyCalls((id) => peers.router(id), entropy);
    this.#sweepAt = after(now, options.grace);
  }

  receive(now: Instant, event: ReceptionEvent): Effects {
    return [...this.#handle(now, event), ...this.poll(now)];
  }

  poll(now: Instant): Effects {
    return [...this.#sweep(now), ...this.#demands.poll(now), ...this.#policies.poll(now)];
  }

  nextDeadline(): Instant | undefined {
    const sweepAt = this.#sweeping || this.#away ? undefined : this.#sweepAt;
    return earliest([sweepAt, this.#demands.nextDeadline(), this.#policies.nextDeadline()]);
  }

  /** The last 256, newest last. */
  get refusals(): readonly RefusalNote[] {
    return this.#refusals;
  }

  /**
   * Counts since the start, but of now are `waiting` (decisions), `demanding` (key servers that owe an acknowledgement) and `calling`
   * (routers that have not said that they know of a new policy).
   */
  status() {
    return {
      waiting: this.#pending.size,
      demanding: this.#demands.size,
      calling: this.#policies.size,
      outcomes: this.#outcomes.snapshot(),
      refused: this.#refused.snapshot(),
      drops: this.#drops.snapshot(),
    };
  }

  #handle(now: Instant, event: ReceptionEvent): Effects {
    switch (event.kind) {
      case "message":
        return this.#heard(now, event.received);
      case "broker":
        return this.#brokerChanged(now, event.up);
      case "decided":
        return this.#decided(event.token, event.outcome);
      case "failed":
        return this.#failed(event.token);
      case "demands":
        return this.#demands.demand(now, event.rows);
      case "policies":
        return this.#policies.call(now, event.behind);
    }
  }

  /** While the broker is away no device can ask, so none lapses; then each has the grace to ask again. */
  #brokerChanged(now: Instant, up: boolean): Effects {
    if (up && this.#away) this.#sweepAt = after(now, this.#options.grace);
    if (up) {
      this.#demands.hurry(now);
      this.#policies.hurry(now);
    }
    this.#away = !up;
    return [];
  }

  #heard(now: Instant, { from, message, request }: Received): Effects {
    const known = from.role === "router" ? this.#peers.router(from.id) : this.#peers.keyServer(from.id);
    if (known === undefined || !sameBytes(known, from.publicKey)) return this.#drop("reception.stranger");
    if ((from.role === "router") !== OF_ROUTERS.has(message.type)) return this.#unexpected();
    if (message.type === "rekey.demand.acknowledged") return this.#demandAcknowledged(now, from, message);
    if (message.type === "policy.noted") return this.#policyNoted(now, from, message);
    if (request === undefined) return this.#unexpected();
    switch (message.type) {
      case "inquiry":
        return this.#inquired(now, request, message);
      case "stop.report":
        return this.#stopped(now, request, message);
      case "membership.report":
        return [...this.#routerReported(now, request, message), ...this.#policies.heard(now, from.id)];
      case "permits.request":
        return [...this.#permitsAsked(now, request, message), ...this.#policies.heard(now, from.id)];
      case "policy.request":
        return [...this.#policyAsked(now, request, message), ...this.#policies.asked(now, from.id)];
      default:
        return this.#unexpected();
    }
  }

  // 74, 93.
  #inquired(now: Instant, request: Request, inquiry: MessageOf<"inquiry">): Effects {
    const { id, device, deviceKey, channel, epoch, holdsFor } = inquiry;
    const asked = { device, deviceKey, channel, epoch, holdsFor, reception: toHex(inquiry.reception) };
    const at = this.#unix(now);
    return this.#decide(
      { kind: "request", from: request.from.id, id },
      () => decideInquiry(asked, at),
      (outcome) => {
        if (outcome.kind === "permitted") return [{ kind: "answer", request, message: { type: "permission", id } }];
        this.#remember({ at, device, channel, reason: outcome.reason });
        return [{ kind: "answer", request, message: { type: "refusal", id, reason: outcome.reason } }];
      },
    );
  }

  // 84.
  #stopped(now: Instant, request: Request, report: MessageOf<"stop.report">): Effects {
    const { id, device, deviceKey, channel, cause, endedAgo } = report;
    const stop = { device, deviceKey, channel, cause, endedAgo, reception: toHex(report.reception) };
    const at = this.#unix(now);
    return this.#decide(
      { kind: "request", from: request.from.id, id },
      () => decideStop(stop, at),
      ({ record }) => [{ kind: "answer", request, message: { type: "stop.report.acknowledged", id, record } }],
    );
  }

  #routerReported(now: Instant, request: Request, message: MessageOf<"membership.report">): Effects {
    const { id, sequence, process, started, dropped, changes, counts } = message;
    const report = { router: request.from.id, process, started, sequence, dropped, changes, counts };
    const at = this.#unix(now);
    return this.#decide(
      { kind: "request", from: request.from.id, id },
      () => decideRouterReport(report, at),
      () => [{ kind: "answer", request, message: { type: "membership.acknowledged", id, sequence } }],
    );
  }

  #permitsAsked(now: Instant, request: Request, { id, macs }: MessageOf<"permits.request">): Effects {
    const at = this.#unix(now);
    return this.#decide(
      { kind: "request", from: request.from.id, id },
      () => decidePermits(macs, at),
      ({ permits }) => [{ kind: "answer", request, message: { type: "permits", id, permits: [...permits] } }],
    );
  }

  #policyAsked(now: Instant, request: Request, message: MessageOf<"policy.request">): Effects {
    const { id, type: _, wants, ...state } = message;
    const at = this.#unix(now);
    return this.#decide(
      { kind: "request", from: request.from.id, id },
      () => decidePolicyRequest({ router: request.from.id, state, wants }, at),
      (outcome) => [{ kind: "answer", request, message: policyAnswer(id, outcome) }],
    );
  }

  #policyNoted(now: Instant, from: Peer, message: MessageOf<"policy.noted">): Effects {
    const calls = this.#policies.answered(now, from, message);
    return typeof calls === "string" ? this.#drop("reception.answer-unknown") : calls;
  }

  #demandAcknowledged(now: Instant, from: Peer, message: MessageOf<"rekey.demand.acknowledged">): Effects {
    const acknowledged = this.#demands.acknowledged(now, from, message);
    if (typeof acknowledged === "string") return this.#drop("reception.answer-unknown");
    const settling = this.#decide(
      { kind: "demand.acknowledged", id: message.id },
      () => decideSettled(acknowledged.settled),
      () => [],
    );
    return [...settling, ...acknowledged.next];
  }

  #sweep(now: Instant): Effects {
    if (this.#sweeping || this.#away || now < this.#sweepAt) return [];
    this.#sweepAt = after(now, SWEEP_EVERY);
    const at = this.#unix(now);
    const effects = this.#decide(
      { kind: "sweep" },
      () => decideSweep(this.#options, at),
      (outcome) => this.#swept(now, outcome),
    );
    this.#sweeping = effects.length > 0;
    return effects;
  }

  #swept(now: Instant, { lapsed, more }: SweepOutcome): Effects {
    this.#sweeping = false;
    if (lapsed > 0) this.#outcomes.count("lapsed", lapsed);
    if (more) this.#sweepAt = now;
    return [];
  }

  #decide<Outcome extends ReceptionOutcome>(
    subject: DecisionSubject,
    decision: Decision<Outcome>,
    whenDecided: WhenDecided<Outcome, ReceptionEffect>,
  ): Effects {
    const token = this.#pending.begin(subject, whenDecided);
    if (token === "repeated") return this.#drop("reception.repeated");
    if (token === "full") return this.#drop("reception.load");
    return [{ kind: "decide", token, decision }];
  }

  #decided(token: number, outcome: ReceptionOutcome): Effects {
    const pending = this.#pending.settle(token);
    if (pending === undefined) return [];
    this.#outcomes.count(outcome.kind === "stopped" ? `stopped.${outcome.record}` : outcome.kind);
    return pending.whenDecided(outcome);
  }

  #failed(token: number): Effects {
    const pending = this.#pending.settle(token);
    if (pending === undefined) return [];
    if (pending.subject.kind === "sweep") this.#sweeping = false;
    return this.#drop("reception.store");
  }

  #remember(refusal: RefusalNote): void {
    this.#refused.count(refusal.reason);
    if (this.#refusals.length === REMEMBERED_REFUSALS) this.#refusals.shift();
    this.#refusals.push(refusal);
  }

  #unix(now: Instant): UnixTime {
    return wholeUnixTime(this.#calendar.unix(now));
  }

  #unexpected(): Effects {
    return this.#drop("reception.message-unexpected");
  }

  #drop(drop: ReceptionDrop): Effects {
    this.#drops.count(drop);
    return [];
  }
}

function policyAnswer(id: Uint8Array, outcome: PolicyRequestOutcome): Message {
  switch (outcome.kind) {
    case "policy.unchanged":
      return { type: outcome.kind, id };
    case "policy": {
      const { kind: type, revision, part, parts, text } = outcome;
      return { type, id, revision, part, parts, text };
    }
  }
}
