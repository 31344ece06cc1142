// Whom the broker turned away, for the operator. Anybody can knock, under any name and as often as he likes: the book has a limit.
import { printableShort } from "../base/printable.ts";
import type { UnixTime } from "../base/time.ts";
import { Recent } from "./recent.ts";

/** Why, and how an operator reads it. */
export const REFUSAL_REASONS = {
  "unknown-id": "unknown id",
  "wrong-password": "wrong password",
  revoked: "revoked service",
  "client-id": "the client identifier is not the user name, or no id",
  publish: "published on a topic that is not its own",
  subscribe: "asked for a topic that is not its own",
  version: "MQTT version that this broker does not speak",
  "no-mqtt": "no MQTT",
  tls: "TLS handshake failed",
} as const;

/** One of them, by its short name. */
export type RefusalReason = keyof typeof REFUSAL_REASONS;

/** One refusal, as the broker met it: all text is the client's. */
export interface ClientRefusal {
  readonly reason: RefusalReason;
  /** Client identifier as claimed; undefined when the client was turned away before it said one. */
  readonly id?: string | undefined;
  /** Of the other end of the connection. */
  readonly address: string;
  /** The topic, the version, the fault of the handshake. */
  readonly detail?: string | undefined;
}

/** All refusals of one id (or, without one, of one address) for one reason. Texts are printable and short. */
export interface RefusedClient extends ClientRefusal {
  /** 1 for the first. */
  readonly count: number;
  readonly first: UnixTime;
  readonly last: UnixTime;
}

/** Entries kept; the one that was silent longest makes room. */
const CLIENTS = 1024;
/** Characters: an id that is one has at most 64. */
const ID = 64;
const ADDRESS = 64;
const DETAIL = 120;

/** At most 1,024 entries, by id and reason. */
export class RefusedClients {
  readonly #clients = new Recent<string, RefusedClient>(CLIENTS);

  get size(): number {
    return this.#clients.size;
  }

  /** Entries that made room since the start. */
  get forgotten(): number {
    return this.#clients.forgotten;
  }

  /** Records one refusal at `at`; the entry as it is now, with the newest address and detail. */
  note(at: UnixTime, refusal: ClientRefusal): RefusedClient {
    const { reason } = refusal;
    const id = refusal.id === undefined ? undefined : printableShort(refusal.id, ID);
    const address = printableShort(refusal.address, ADDRESS);
    const key = `${reason} ${id === undefined ? `at ${address}` : `as ${id}`}`;
    const before = this.#clients.get(key);
    const client: RefusedClient = {
      reason,
      ...(id === undefined ? {} : { id }),
      address,
      ...(refusal.detail === undefined ? {} : { detail: printableShort(refusal.detail, DETAIL) }),
      count: (before?.count ?? 0) + 1,
      first: before?.first ?? at,
      last: at,
    };
    this.#clients.set(key, client);
    return client;
  }

  /** The one refused last at the end. */
  list(): readonly RefusedClient[] {
    return this.#clients.values();
  }
}
