// How a participant is tied to the bus: one connection, what it hears and says, and a machine that lives on it. A target names its
// machine and what else that machine wants done.
import type { Counters } from "../../core/base/counters.ts";
import type { Machine } from "../../core/base/machine.ts";
import { Runner } from "../../core/base/runner.ts";
import { seconds } from "../../core/base/time.ts";
import { Allowance } from "../../core/control/allowance.ts";
import { Endpoint, type EndpointDrop, type EndpointOptions } from "../../core/control/endpoint.ts";
import { Mailbox, type MailboxOptions, type Received, type Request } from "../../core/control/mailbox.ts";
import type { Message, Notice } from "../../core/control/messages.ts";
import type { Peer } from "../../core/control/participant.ts";
import type { BusConnector } from "../../core/ports/bus.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import type { HalError } from "../../core/ports/errors.ts";
import type { KeyPair, Primitives } from "../../core/ports/primitives.ts";
import { brokerComplaints } from "./broker-words.ts";
import type { Logger } from "./log.ts";

/** What every participant needs of the machine it runs on. */
export interface Platform {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly primitives: Primitives;
  readonly buses: BusConnector;
  readonly log: Logger;
}

/** The same for one that asks the servers, with its own X25519 keys. */
export interface ClientPlatform extends Platform {
  readonly keys: KeyPair;
}

/** Who is on the bus, whom it knows there, and its key for notices. */
interface BusParticipant extends MailboxOptions, Pick<EndpointOptions, "noticeKey"> {
  /** Stands before its lines in a log that several participants share. */
  readonly title?: string;
}

/** What the bus tells. */
export type BusEvent =
  /** Opened, authenticated, of a known form. */
  | { readonly kind: "message"; readonly received: Received }
  /** 91, its signature verified; `retained` when the broker has kept it, perhaps for long. */
  | { readonly kind: "notice"; readonly notice: Notice; readonly retained: boolean }
  /** The broker is there and every subscription acknowledged, or it is gone, and why. */
  | { readonly kind: "broker"; readonly up: true }
  | { readonly kind: "broker"; readonly up: false; readonly error: HalError };

/** What machines want said on the bus. */
export type BusEffect =
  | { readonly kind: "send"; readonly to: Peer; readonly message: Message }
  | { readonly kind: "answer"; readonly request: Request; readonly message: Message }
  /** 91, signed and retained; only for who has the key to sign. */
  | { readonly kind: "notice"; readonly notice: Notice };

/** Of each kind of drop so many lines in the log; the counters have them all. */
const DROP_LINES = { burst: 8, spacing: seconds(60) };

/** One participant's connection, for as many machines as it has. */
export class BusConnection {
  readonly #platform: Platform;
  readonly #endpoint: Endpoint;
  readonly #dropLines = new Allowance(DROP_LINES);

  /** Starts to connect; `hear` is told when it has. */
  constructor(participant: BusParticipant, platform: Platform, hear: (event: BusEvent) => void) {
    const { title, noticeKey, ...options } = participant;
    const { clock, primitives, entropy, buses, log } = platform;
    this.#platform = platform;
    const complain = brokerComplaints(clock, log, title);
    const mailbox = new Mailbox(options, primitives, entropy);
    this.#endpoint = new Endpoint(
      buses,
      { mailbox, clock, primitives, ...(noticeKey === undefined ? {} : { noticeKey }) },
      {
        message: (received) => {
          log.debug({ type: received.message.type, from: received.from.id }, "message received");
          hear({ kind: "message", received });
        },
        notice: (notice, retained) => {
          log.debug({ channel: notice.channel, epoch: notice.epoch, retained }, "notice received");
          hear({ kind: "notice", notice, retained });
        },
        up: () => {
          log.info(title === undefined ? "broker connected" : `${title}: broker connected`);
          hear({ kind: "broker", up: true });
        },
        down: (error) => {
          complain(error);
          hear({ kind: "broker", up: false, error });
        },
        dropped: (drop, detail, topic) => this.#dropped(drop, detail, topic),
      },
    );
  }

  get connected(): boolean {
    return this.#endpoint.connected;
  }

  /** Why it is not connected, once an attempt has ended. */
  get fault(): HalError | undefined {
    return this.#endpoint.fault;
  }

  /** What came and was not used, or could not be sent. */
  get drops(): Counters<EndpointDrop> {
    return this.#endpoint.drops;
  }

  say(effect: BusEffect): void {
    const { log } = this.#platform;
    switch (effect.kind) {
      case "send":
        log.debug({ type: effect.message.type, to: effect.to.id }, "message sent");
        this.#endpoint.send(effect.to, effect.message);
        return;
      case "answer":
        log.debug({ type: effect.message.type, to: effect.request.from.id }, "answer sent");
        this.#endpoint.answer(effect.request, effect.message);
        return;
      case "notice":
        log.debug({ channel: effect.notice.channel, epoch: effect.notice.epoch }, "notice sent");
        this.#endpoint.notice(effect.notice);
        return;
      default:
        effect satisfies never;
    }
  }

  /** Hears the notices of a channel from now on. Rejects with HalError "bus.refused" when the broker does not allow it. */
  watch(channel: string): Promise<void> {
    return this.#endpoint.watch(channel);
  }

  unwatch(channel: string): void {
    this.#endpoint.unwatch(channel);
  }

  /** For `status`: messages by the patent's number. */
  messages() {
    return { sent: this.#endpoint.sent.snapshot(), received: this.#endpoint.received.snapshot() };
  }

  /** Says goodbye and disconnects, within 500 ms. */
  close(): Promise<void> {
    return this.#endpoint.close();
  }

  #dropped(drop: EndpointDrop, detail: string, topic: string): void {
    const { clock, log } = this.#platform;
    if (this.#dropLines.take(clock.now(), drop)) log.debug({ drop, detail, topic }, "message dropped");
  }
}

/** One machine with a connection of its own. */
export class MachineOnBus<Event, Effect> {
  readonly bus: BusConnection;
  readonly #runner: Runner<Event, Effect>;

  /**
   * Starts to connect. `heard` gives the machine's event for what the bus tells, undefined where the machine has no use for it; `apply`
   * does what the machine wants, of which `bus.say` does what is to be said on the bus.
   */
  constructor(
    participant: BusParticipant,
    platform: Platform,
    machine: Machine<Event, Effect>,
    heard: (event: BusEvent) => Event | undefined,
    apply: (effect: Effect) => void,
  ) {
    this.#runner = new Runner(platform.clock, machine, apply);
    this.bus = new BusConnection(participant, platform, (event) => {
      const own = heard(event);
      if (own !== undefined) this.#runner.feed(own);
    });
  }

  /** The machine does what is already due. */
  start(): void {
    this.#runner.start();
  }

  feed(event: Event): void {
    this.#runner.feed(event);
  }

  /** The machine stands still; goodbye on the bus, within 500 ms. */
  async stop(): Promise<void> {
    this.#runner.stop();
    await this.bus.close();
  }
}
