// Demands for new keys on their way to the key servers: repeated until each has acknowledged its own.
import { type Instant, seconds } from "../base/time.ts";
import type { Message, MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { type AnswerDrop, newRequestId, Requester, type RequesterEffect } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { RekeyDemandRow } from "../ports/tables.ts";

/** Channels in one message; the rest follow when it is acknowledged. */
const CHANNELS = 256;

/** A "rekey.demand" to be sent now, for the first time or again. */
export interface SendDemand {
  readonly kind: "send";
  readonly to: Peer;
  readonly message: Message;
}

/** One demand a key server waits at a time. The rows stay on disk until their acknowledgement has been settled there. */
export class SentDemands {
  readonly #keyServer: (id: string) => Uint8Array | undefined;
  readonly #entropy: Entropy;
  readonly #requester: Requester;
  /** By key server: what waits for its acknowledgement, and what follows after. */
  readonly #rows = new Map<string, readonly RekeyDemandRow[]>();

  /** `keyServer` gives the X25519 key of an active key server. */
  constructor(keyServer: (id: string) => Uint8Array | undefined, entropy: Entropy) {
    this.#keyServer = keyServer;
    this.#entropy = entropy;
    this.#requester = new Requester(entropy, { outstanding: 256, slowest: seconds(10) });
  }

  /** Key servers that have not acknowledged everything. */
  get size(): number {
    return this.#rows.size;
  }

  /** `rows` are all demands that are on disk. */
  demand(now: Instant, rows: readonly RekeyDemandRow[]): readonly SendDemand[] {
    const byServer = new Map<string, RekeyDemandRow[]>();
    for (const row of rows) byServer.set(row.keyserver, [...(byServer.get(row.keyserver) ?? []), row]);
    return [...byServer].flatMap(([keyserver, demands]) => this.#ask(now, keyserver, demands));
  }

  /** The rows that this acknowledgement settles, and the demand that follows it; or why it is none of ours. */
  acknowledged(
    now: Instant,
    from: Peer,
    message: MessageOf<"rekey.demand.acknowledged">,
  ): { readonly settled: readonly RekeyDemandRow[]; readonly next: readonly SendDemand[] } | AnswerDrop {
    const matched = this.#requester.receive(now, from, message);
    if (typeof matched === "string") return matched;
    const rows = this.#rows.get(from.id) ?? [];
    this.#rows.delete(from.id);
    const left = rows.slice(CHANNELS);
    return { settled: rows.slice(0, CHANNELS), next: left.length === 0 ? [] : this.#ask(now, from.id, left) };
  }

  /** The broker is back. */
  hurry(now: Instant): void {
    this.#requester.hurry(now);
  }

  poll(now: Instant): readonly SendDemand[] {
    return onlySends(this.#requester.poll(now));
  }

  nextDeadline(): Instant | undefined {
    return this.#requester.nextDeadline();
  }

  /** A newer demand takes the place of the one that waits, and has its channels too. */
  #ask(now: Instant, keyserver: string, rows: readonly RekeyDemandRow[]): readonly SendDemand[] {
    const publicKey = this.#keyServer(keyserver);
    const demands = rows.slice(0, CHANNELS);
    this.#requester.cancel(keyserver);
    if (publicKey === undefined || demands.length === 0) return [];
    this.#rows.set(keyserver, rows);
    const to: Peer = { role: "keyserver", id: keyserver, publicKey };
    const reason = demands.some((row) => row.reason === "revoked") ? "revoked" : "operator";
    const channels = demands.map(({ channel }) => channel);
    const message: Message = { type: "rekey.demand", id: newRequestId(this.#entropy), channels, reason };
    return onlySends(this.#requester.ask(now, { to, message, key: keyserver }));
  }
}

/** Demands have no deadline, and there are fewer key servers than may wait. */
const onlySends = (effects: readonly RequesterEffect[]): readonly SendDemand[] =>
  effects.filter((effect) => effect.kind === "send");
