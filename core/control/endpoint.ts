// A participant on the bus: applies the machines' send, answer and notice effects, opens what comes, counts what it drops.
import { toHex } from "../base/bytes.ts";
import { Counters } from "../base/counters.ts";
import type { Bus, BusConnector, BusMessage } from "../ports/bus.ts";
import type { Clock } from "../ports/clock.ts";
import type { HalError } from "../ports/errors.ts";
import type { Primitives } from "../ports/primitives.ts";
import type { BadMessage } from "./codec.ts";
import { isBadMessage } from "./codec.ts";
import type { Mailbox, MailboxDrop, Outgoing, Received, Request } from "./mailbox.ts";
import { type Message, type Notice, patentNumber, patentNumberOfAnswer } from "./messages.ts";
import { isBadNotice, type NoticeDrop, openNotice, sealNotice } from "./notice.ts";
import type { Peer, Role } from "./participant.ts";
import { type Presence, readPresence, writePresence } from "./presence.ts";
import { Recent } from "./recent.ts";
import { filtersFor, formatTopic, noticeFilter, parseTopic, presenceFilter } from "./topics.ts";

/**
 * "endpoint.unsendable": a message of ours that no receiver would take, not sent. "endpoint.presence": on a status topic, and not what
 * participants say there.
 */
export type EndpointDrop =
  | MailboxDrop
  | NoticeDrop
  | "endpoint.notice-key"
  | "endpoint.unsendable"
  | "endpoint.presence";

/** Who is told of the participants of a role; retained ones come at once. */
type PresenceListener = (id: string, presence: Presence) => void;

/** What an endpoint tells its owner; called from inside the bus driver, one at a time. */
export interface EndpointListener {
  /** An authenticated message that fits its schema. */
  message(received: Received): void;
  /** 91, signed by the key server. Retained ones come at once after `watch`; the broker says which they are. */
  notice(notice: Notice, retained: boolean): void;
  /** Connected and subscribed, for the first time or again: what waits for an answer may be asked again. */
  up(): void;
  down(error: HalError): void;
  /** Counted already. For the log, at a limited rate: anybody may send what is dropped. */
  dropped(drop: EndpointDrop, detail: string, topic: string): void;
}

/** Who is on the bus, and with what. */
export interface EndpointOptions {
  readonly mailbox: Mailbox;
  readonly clock: Clock;
  readonly primitives: Primitives;
  /** Ed25519, 32 octets: the key server's public key where notices are read, its private key where they are made. */
  readonly noticeKey?: { readonly verify: Uint8Array } | { readonly sign: Uint8Array };
}

/** Requests of ours that we remember in order to give their answers the patent's number. */
const REMEMBERED = 4096;
/** Notices are spread over cohorts; one is enough until an operator splits a channel. */
const COHORT = 0;

const STOPPED = writePresence({ state: "stopped", alarms: [] });
const LOST = writePresence({ state: "lost", alarms: [] });

/** A participant's place on the bus for as long as it runs; keeps its retained presence: up, stopped or, by last will, lost. */
export class Endpoint {
  readonly drops = new Counters<EndpointDrop>();
  /** By patent message number, "73" to "95". */
  readonly sent = new Counters<string>();
  readonly received = new Counters<string>();
  readonly #options: EndpointOptions;
  readonly #listener: EndpointListener;
  readonly #bus: Bus;
  readonly #statusTopic: string;
  readonly #asked = new Recent<string, Message>(REMEMBERED);
  readonly #watched = new Map<Role, PresenceListener>();
  #alarms: readonly string[] = [];
  #fault: HalError | undefined;

  /** Starts to connect; `listener.up` tells when it has. */
  constructor(connector: BusConnector, options: EndpointOptions, listener: EndpointListener) {
    this.#options = options;
    this.#listener = listener;
    const { role, id } = options.mailbox;
    this.#statusTopic = formatTopic({ kind: "status", role, id });
    this.#bus = connector.connect(
      { clientId: id, filters: filtersFor(role, id), will: { topic: this.#statusTopic, payload: LOST } },
      {
        message: (message) => this.#receive(message),
        up: () => this.#up(),
        down: (error) => this.#down(error),
      },
    );
  }

  get connected(): boolean {
    return this.#bus.connected;
  }

  /** Why the last attempt to connect, or the connection, has ended; undefined while connected and before the first has. */
  get fault(): HalError | undefined {
    return this.#fault;
  }

  /** The machines' `send` effect. */
  send(to: Peer, message: Message): void {
    const outgoing = this.#options.mailbox.seal(this.#options.clock.now(), to, message);
    if (!this.#publish(message, outgoing)) return;
    this.#asked.set(toHex(message.id), message);
    countNumber(this.sent, patentNumber(message));
  }

  /** The machines' `answer` effect. */
  answer(request: Request, message: Message): void {
    if (!this.#publish(message, this.#options.mailbox.answer(request, message))) return;
    countNumber(this.sent, patentNumberOfAnswer(request.message, message));
  }

  /** 91: signs and publishes, retained. Throws RangeError when this endpoint has no signing key. */
  notice(notice: Notice): void {
    const key = this.#options.noticeKey;
    if (key === undefined || !("sign" in key)) throw new RangeError("this endpoint has no key to sign notices with");
    const topic = formatTopic({ kind: "notice", channel: notice.channel, cohort: COHORT });
    this.#bus.publish(topic, sealNotice(this.#options.primitives, key.sign, notice), true);
    this.sent.count("91");
  }

  /** Hears the notices of a channel from now on. Rejects with HalError "bus.refused" when the broker does not allow it. */
  watch(channel: string): Promise<void> {
    return this.#bus.subscribe(noticeFilter(channel));
  }

  unwatch(channel: string): void {
    this.#bus.unsubscribe(noticeFilter(channel));
  }

  /** Alarms that are raised here, for whoever watches this participant; told again after each connection. */
  tell(alarms: readonly string[]): void {
    this.#alarms = alarms;
    if (this.connected) this.#sayUp();
  }

  /** Hears from now on what the participants of a role say of themselves. Rejects as `watch`. */
  watchPresence(role: Role, heard: PresenceListener): Promise<void> {
    this.#watched.set(role, heard);
    return this.#bus.subscribe(presenceFilter(role));
  }

  /** Says goodbye on the status topic and disconnects, within 500 ms. */
  close(): Promise<void> {
    this.#bus.publish(this.#statusTopic, STOPPED, true);
    return this.#bus.close();
  }

  #down(error: HalError): void {
    this.#fault = error;
    this.#listener.down(error);
  }

  #up(): void {
    this.#fault = undefined;
    this.#sayUp();
    this.#listener.up();
  }

  #sayUp(): void {
    this.#bus.publish(this.#statusTopic, writePresence({ state: "up", alarms: this.#alarms }), true);
  }

  #publish(message: Message, outgoing: Outgoing | BadMessage): outgoing is Outgoing {
    if (isBadMessage(outgoing)) {
      this.#drop("endpoint.unsendable", `${outgoing.drop} ${outgoing.detail}`, message.type);
      return false;
    }
    this.#bus.publish(outgoing.topic, outgoing.payload);
    return true;
  }

  #receive({ topic, payload, retained }: BusMessage): void {
    const where = parseTopic(topic);
    if (typeof where !== "string" && where.kind === "notice")
      this.#receiveNotice(where.channel, topic, payload, retained);
    else if (typeof where !== "string" && where.kind === "status")
      this.#receivePresence(where.role, where.id, topic, payload);
    else this.#receiveSealed(topic, payload);
  }

  #receivePresence(role: Role, id: string, topic: string, payload: Uint8Array): void {
    const presence = readPresence(payload);
    if (presence === undefined) this.#drop("endpoint.presence", "", topic);
    else this.#watched.get(role)?.(id, presence);
  }

  #receiveSealed(topic: string, payload: Uint8Array): void {
    const received = this.#options.mailbox.open(this.#options.clock.now(), topic, payload);
    if ("drop" in received) {
      this.#drop(received.drop, received.detail, topic);
      return;
    }
    countNumber(this.received, this.#numberOf(received));
    this.#listener.message(received);
  }

  #receiveNotice(channel: string, topic: string, payload: Uint8Array, retained: boolean): void {
    const key = this.#options.noticeKey;
    if (key === undefined || !("verify" in key)) {
      this.#drop("endpoint.notice-key", "", topic);
      return;
    }
    const notice = openNotice(this.#options.primitives, key.verify, channel, payload);
    if (isBadNotice(notice)) {
      this.#drop(notice.drop, notice.detail, topic);
      return;
    }
    this.received.count("91");
    this.#listener.notice(notice, retained);
  }

  #numberOf({ message, request }: Received): number | undefined {
    if (request !== undefined) return patentNumber(message);
    const asked = this.#asked.get(toHex(message.id));
    return asked === undefined ? undefined : patentNumberOfAnswer(asked, message);
  }

  #drop(drop: EndpointDrop, detail: string, topic: string): void {
    this.drops.count(drop);
    this.#listener.dropped(drop, detail, topic);
  }
}

function countNumber(counters: Counters<string>, number: number | undefined): void {
  if (number !== undefined) counters.count(String(number));
}
