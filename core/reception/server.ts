// The reception server (claim 5): answers inquiries, closes receptions, keeps the routers' evidence, demands new keys after a
// revocation. It answers only what is on disk.
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
  unixTime,
} from "../base/time.ts";
import type { Received, Request } from "../control/link.ts";
import type { Denial, Message, MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { newRequestId, Requester, type RequesterEffect } from "../control/requester.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { Decision } from "../ports/store.ts";
import type { RekeyDemandRow } from "../ports/tables.ts";
import { decideEvidence, type EvidenceOutcome } from "./evidence.ts";
import { decideInquiry, type InquiryOutcome } from "./inquiry.ts";
import { type DemandOutcome, decideSettled } from "./revocation.ts";
import { decideStop, type StopOutcome } from "./stop.ts";
import { decideSweep, type SweepOutcome } from "./sweep.ts";

export type ReceptionOutcome = InquiryOutcome | StopOutcome | EvidenceOutcome | SweepOutcome | DemandOutcome;

export type ReceptionEvent =
  | { readonly kind: "message"; readonly received: Received }
  | { readonly kind: "link"; readonly up: boolean }
  | { readonly kind: "decided"; readonly token: number; readonly outcome: ReceptionOutcome }
  | { readonly kind: "failed"; readonly token: number }
  /** All rekey demands that are on disk: at the start, and whenever some were added. */
  | { readonly kind: "demands"; readonly rows: readonly RekeyDemandRow[] };

export type ReceptionEffect =
  | { readonly kind: "send"; readonly to: Peer; readonly message: Message }
  | { readonly kind: "answer"; readonly request: Request; readonly message: Message }
  /** To be carried out by the store; "decided" or "failed" must follow. */
  | { readonly kind: "decide"; readonly token: number; readonly decision: Decision<ReceptionOutcome> };

export type ReceptionDrop =
  | "reception.stranger"
  | "reception.message-unexpected"
  | "reception.answer-unknown"
  /** A copy of a request that is being decided. */
  | "reception.repeated"
  /** Too many wait for the store. */
  | "reception.load"
  /** The store failed: nothing was answered, the asker repeats. */
  | "reception.store";

export interface ReceptionPeers {
  /** X25519 of an active key server or router with this id. */
  keyServer(id: string): Uint8Array | undefined;
  router(id: string): Uint8Array | undefined;
}

export interface ReceptionOptions {
  /** A reception lapses when no inquiry has come by this long after its last key went out of use. */
  readonly grace: Duration;
  readonly evidenceFor: Duration;
  /** Requests that may wait for the store. */
  readonly waiting: number;
}

export const RECEPTION_OPTIONS: ReceptionOptions = {
  grace: minutes(1),
  evidenceFor: milliseconds(90 * 86_400_000),
  waiting: 20_000,
};

export interface RefusalNote {
  readonly at: UnixTime;
  readonly device: string;
  readonly channel: string;
  readonly reason: Denial;
}

/** Refusals shown to the operator. */
const REMEMBERED_REFUSALS = 256;
const SWEEP_EVERY = seconds(5);
/** Channels in one rekey demand. */
const DEMAND_CHANNELS = 256;

type Effects = readonly ReceptionEffect[];
type Then = (outcome: ReceptionOutcome) => Effects;

export class ReceptionServer implements Machine<ReceptionEvent, ReceptionEffect> {
  readonly #peers: ReceptionPeers;
  readonly #calendar: Calendar;
  readonly #entropy: Entropy;
  readonly #options: ReceptionOptions;
  readonly #requester: Requester;
  readonly #deciding = new Map<number, { readonly name: string; readonly then: Then }>();
  readonly #names = new Set<string>();
  readonly #refusals: RefusalNote[] = [];
  readonly #refused = new Counters<Denial>();
  readonly #outcomes = new Counters<string>();
  readonly #drops = new Counters<ReceptionDrop>();
  readonly #demanded = new Map<string, readonly RekeyDemandRow[]>();
  #sweepAt: Instant;
  #sweeping = false;
  #away = false;
  #token = 0;

  /** The first sweep waits for the grace: devices could not ask while this server was down. */
  constructor(peers: ReceptionPeers, calendar: Calendar, entropy: Entropy, now: Instant, options = RECEPTION_OPTIONS) {
    this.#peers = peers;
    this.#calendar = calendar;
    this.#entropy = entropy;
    this.#options = options;
    this.#requester = new Requester(entropy, { outstanding: 256, slowest: seconds(10) });
    this.#sweepAt = after(now, options.grace);
  }

  receive(now: Instant, event: ReceptionEvent): Effects {
    return [...this.#handle(now, event), ...this.poll(now)];
  }

  poll(now: Instant): Effects {
    return [...this.#sweep(now), ...onlySends(this.#requester.poll(now))];
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#sweeping || this.#away ? undefined : this.#sweepAt, this.#requester.nextDeadline()]);
  }

  /** Newest last. */
  get refusals(): readonly RefusalNote[] {
    return this.#refusals;
  }

  status() {
    return {
      waiting: this.#deciding.size,
      demanding: this.#demanded.size,
      outcomes: this.#outcomes.snapshot(),
      refused: this.#refused.snapshot(),
      drops: this.#drops.snapshot(),
    };
  }

  #handle(now: Instant, event: ReceptionEvent): Effects {
    switch (event.kind) {
      case "message":
        return this.#heard(now, event.received);
      case "link":
        return this.#linked(now, event.up);
      case "decided":
        return this.#decided(event.token, event.outcome);
      case "failed":
        return this.#failed(event.token);
      case "demands":
        return this.#demand(now, event.rows);
    }
  }

  /** While the broker is away no device can ask, so none lapses; then each has the grace to ask again. */
  #linked(now: Instant, up: boolean): Effects {
    if (up && this.#away) this.#sweepAt = after(now, this.#options.grace);
    if (up) this.#requester.hurry(now);
    this.#away = !up;
    return [];
  }

  #heard(now: Instant, { from, message, request }: Received): Effects {
    const known = from.role === "router" ? this.#peers.router(from.id) : this.#peers.keyServer(from.id);
    if (known === undefined || !sameBytes(known, from.publicKey)) return this.#drop("reception.stranger");
    if (from.role === "router" && message.type !== "membership.report") return this.#unexpected();
    switch (message.type) {
      case "inquiry":
        return request === undefined ? this.#unexpected() : this.#inquired(now, request, message);
      case "stop.report":
        return request === undefined ? this.#unexpected() : this.#stopped(now, request, message);
      case "membership.report":
        if (request === undefined || from.role !== "router") return this.#unexpected();
        return this.#witnessed(now, request, message);
      case "rekey.demand.acknowledged":
        return this.#acknowledged(now, from, message);
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
      `${request.from.id} ${toHex(id)}`,
      () => decideInquiry(asked, at),
      (outcome) => {
        if (outcome.kind !== "refused") return [{ kind: "answer", request, message: { type: "permission", id } }];
        this.#note({ at, device, channel, reason: outcome.reason });
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
      `${request.from.id} ${toHex(id)}`,
      () => decideStop(stop, at),
      (outcome) => {
        const record = outcome.kind === "stopped" ? outcome.record : "none";
        return [{ kind: "answer", request, message: { type: "stop.report.acknowledged", id, record } }];
      },
    );
  }

  #witnessed(now: Instant, request: Request, report: MessageOf<"membership.report">): Effects {
    const { id, sequence, process, dropped, changes } = report;
    const evidence = { router: request.from.id, process, sequence, dropped, changes };
    const at = this.#unix(now);
    return this.#decide(
      `${request.from.id} ${toHex(id)}`,
      () => decideEvidence(evidence, at),
      () => [{ kind: "answer", request, message: { type: "membership.acknowledged", id, sequence } }],
    );
  }

  #sweep(now: Instant): Effects {
    if (this.#sweeping || this.#away || now < this.#sweepAt) return [];
    this.#sweepAt = after(now, SWEEP_EVERY);
    const at = this.#unix(now);
    const effects = this.#decide(
      "sweep",
      () => decideSweep(this.#options, at),
      (outcome) => this.#swept(now, outcome),
    );
    this.#sweeping = effects.length > 0;
    return effects;
  }

  #swept(now: Instant, outcome: ReceptionOutcome): Effects {
    this.#sweeping = false;
    if (outcome.kind !== "swept") return [];
    if (outcome.lapsed > 0) this.#outcomes.count("lapsed", outcome.lapsed);
    if (outcome.more) this.#sweepAt = now;
    return [];
  }

  #demand(now: Instant, rows: readonly RekeyDemandRow[]): Effects {
    const byServer = new Map<string, RekeyDemandRow[]>();
    for (const row of rows) byServer.set(row.keyserver, [...(byServer.get(row.keyserver) ?? []), row]);
    return [...byServer].flatMap(([keyserver, demands]) => this.#demandOf(now, keyserver, demands));
  }

  /** A newer demand takes the place of the one that waits, and has its channels too. */
  #demandOf(now: Instant, keyserver: string, rows: readonly RekeyDemandRow[]): Effects {
    const publicKey = this.#peers.keyServer(keyserver);
    const demands = rows.slice(0, DEMAND_CHANNELS);
    this.#requester.cancel(keyserver);
    if (publicKey === undefined || demands.length === 0) return [];
    this.#demanded.set(keyserver, rows);
    const to: Peer = { role: "keyserver", id: keyserver, publicKey };
    const reason = demands.some((row) => row.reason === "revoked") ? "revoked" : "operator";
    const channels = demands.map(({ channel }) => channel);
    const message: Message = { type: "rekey.demand", id: newRequestId(this.#entropy), channels, reason };
    return onlySends(this.#requester.ask(now, { to, message, key: keyserver }));
  }

  #acknowledged(now: Instant, from: Peer, message: MessageOf<"rekey.demand.acknowledged">): Effects {
    const matched = this.#requester.receive(now, from, message);
    if (typeof matched === "string") return this.#drop("reception.answer-unknown");
    const rows = this.#demanded.get(from.id) ?? [];
    this.#demanded.delete(from.id);
    const [settled, left] = [rows.slice(0, DEMAND_CHANNELS), rows.slice(DEMAND_CHANNELS)];
    const next = left.length === 0 ? [] : this.#demandOf(now, from.id, left);
    return [
      ...this.#decide(
        `settled ${toHex(message.id)}`,
        () => decideSettled(settled),
        () => [],
      ),
      ...next,
    ];
  }

  /** `name` tells copies of one request apart from other requests. */
  #decide(name: string, decision: Decision<ReceptionOutcome>, then: Then): Effects {
    if (this.#names.has(name)) return this.#drop("reception.repeated");
    if (this.#deciding.size >= this.#options.waiting) return this.#drop("reception.load");
    this.#token += 1;
    this.#names.add(name);
    this.#deciding.set(this.#token, { name, then });
    return [{ kind: "decide", token: this.#token, decision }];
  }

  #decided(token: number, outcome: ReceptionOutcome): Effects {
    const deciding = this.#deciding.get(token);
    if (deciding === undefined) return [];
    this.#forget(token, deciding.name);
    this.#outcomes.count(outcome.kind === "stopped" ? `stopped.${outcome.record}` : outcome.kind);
    return deciding.then(outcome);
  }

  #failed(token: number): Effects {
    const deciding = this.#deciding.get(token);
    if (deciding === undefined) return [];
    this.#forget(token, deciding.name);
    if (deciding.name === "sweep") this.#sweeping = false;
    return this.#drop("reception.store");
  }

  #forget(token: number, name: string): void {
    this.#deciding.delete(token);
    this.#names.delete(name);
  }

  #note(note: RefusalNote): void {
    this.#refused.count(note.reason);
    if (this.#refusals.length === REMEMBERED_REFUSALS) this.#refusals.shift();
    this.#refusals.push(note);
  }

  #unix(now: Instant): UnixTime {
    return unixTime(Math.round(this.#calendar.unix(now)));
  }

  #unexpected(): Effects {
    return this.#drop("reception.message-unexpected");
  }

  #drop(drop: ReceptionDrop): Effects {
    this.#drops.count(drop);
    return [];
  }
}

/** Demands have no deadline, and there are fewer key servers than may wait. */
const onlySends = (effects: readonly RequesterEffect[]): Effects =>
  effects.filter((effect): effect is RequesterEffect & { kind: "send" } => effect.kind === "send");
