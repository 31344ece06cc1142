// A broker in simulated time, with its clients: delay, loss, repetition, retained messages, wills and broken connections, by a seed.

import { after, type Duration, type Instant, instant, milliseconds } from "../../core/base/time.ts";
import { type Access, accessOf, covers, mayPublish, mayRetain, maySubscribe } from "../../core/control/access.ts";
import type { Role } from "../../core/control/participant.ts";
import type { Bus, BusConnector, BusListener, BusMessage, BusOptions } from "../../core/ports/bus.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import { HalError } from "../../core/ports/errors.ts";

/** What the network between the broker and its clients does. */
export interface SimulatedBusFaults {
  /** One way, uniform between the two; the messages of one connection stay in order, as on TCP. */
  readonly delay: { readonly least: Duration; readonly most: Duration };
  /** Probability, 0 to 1, that a message never reaches one receiver. */
  readonly loss: number;
  /** Probability, 0 to 1, that it reaches it twice. */
  readonly duplication: number;
}

const NO_FAULTS: SimulatedBusFaults = {
  delay: { least: milliseconds(1), most: milliseconds(1) },
  loss: 0,
  duplication: 0,
};

/** After a broken connection the client is back within this and twice this. */
const RECONNECT = milliseconds(250);
const RECONNECT_SPREAD = milliseconds(500);
const RECONNECT_REFUSED = milliseconds(30_000);

/** A broker without passwords: each connector has its role. */
export class SimulatedBroker {
  faults: SimulatedBusFaults;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly #retained = new Map<string, Uint8Array>();
  readonly #clients = new Set<SimulatedBus>();
  #running = true;

  constructor(clock: Clock, entropy: Entropy, faults: Partial<SimulatedBusFaults> = {}) {
    this.clock = clock;
    this.entropy = entropy;
    this.faults = { ...NO_FAULTS, ...faults };
  }

  get running(): boolean {
    return this.#running;
  }

  /** A connector whose clients have this role's rights; without a role they may do everything. */
  connector(role?: Role): BusConnector {
    return {
      connect: (options, listener) => {
        const access = role === undefined ? undefined : accessOf(role, options.clientId);
        const bus = new SimulatedBus(this, options, listener, access);
        this.#clients.add(bus);
        return bus;
      },
    };
  }

  /** The broker dies: every connection breaks, no will is published, and what was retained is gone, as with one in memory. */
  stop(): void {
    this.#running = false;
    this.#retained.clear();
    for (const client of this.#clients) client.break("the broker stopped", false);
  }

  start(): void {
    this.#running = true;
  }

  /** One client's connection breaks; its will is published. */
  cut(clientId: string): void {
    for (const client of this.#clients) if (client.id === clientId) client.break("the connection broke", true);
  }

  /** For the clients: one way through the network. */
  delay(): Duration {
    const { least, most } = this.faults.delay;
    return milliseconds(least + this.entropy.below(1) * (most - least));
  }

  /** For the clients: when something sent now arrives behind what arrives at `last`. */
  arrival(last: Instant): Instant {
    return instant(Math.max(last, after(this.clock.now(), this.delay())));
  }

  /** For the clients. */
  route(topic: string, payload: Uint8Array, retained: boolean): void {
    if (retained) this.#keep(topic, payload);
    for (const client of this.#clients) if (client.hears(topic)) client.deliver({ topic, payload, retained: false });
  }

  /** For the clients. */
  retainedFor(filter: string): readonly BusMessage[] {
    const kept = [...this.#retained].filter(([topic]) => covers(filter, topic));
    return kept.map(([topic, payload]) => ({ topic, payload, retained: true }));
  }

  /** For the clients. */
  forget(client: SimulatedBus): void {
    this.#clients.delete(client);
  }

  /** MQTT 3.1.1 section 3.3.1.3: an empty payload removes what was kept. */
  #keep(topic: string, payload: Uint8Array): void {
    if (payload.length === 0) this.#retained.delete(topic);
    else this.#retained.set(topic, payload);
  }
}

class SimulatedBus implements Bus {
  readonly id: string;
  readonly #broker: SimulatedBroker;
  readonly #options: BusOptions;
  readonly #listener: BusListener;
  readonly #access: Access | undefined;
  readonly #wanted: Set<string>;
  readonly #granted = new Set<string>();
  readonly #acknowledge = new Map<string, () => void>();
  #connected = false;
  #closed = false;
  #dropped = 0;
  /** Counts connections: what is under way when one breaks is lost. */
  #connection = 0;
  /** When the last message of each direction arrives: the next one is not earlier. */
  #sentUntil = instant(0);
  #heardUntil = instant(0);

  constructor(broker: SimulatedBroker, options: BusOptions, listener: BusListener, access: Access | undefined) {
    this.id = options.clientId;
    this.#broker = broker;
    this.#options = options;
    this.#listener = listener;
    this.#access = access;
    this.#wanted = new Set(options.filters);
    this.#openAfter(broker.delay());
  }

  get connected(): boolean {
    return this.#connected;
  }

  get dropped(): number {
    return this.#dropped;
  }

  publish(topic: string, payload: Uint8Array, retained = false): void {
    if (!this.#connected) {
      this.#dropped += 1;
      return;
    }
    const copy = payload.slice();
    const connection = this.#connection;
    this.#sentUntil = this.#broker.arrival(this.#sentUntil);
    this.#broker.clock.alarm(this.#sentUntil, () => {
      if (connection !== this.#connection) return;
      if (this.#mayPublish(topic, retained)) this.#broker.route(topic, copy, retained);
      else this.break("the broker cut a client that used a foreign topic", true);
    });
  }

  subscribe(filter: string): Promise<void> {
    if (!this.#maySubscribe(filter))
      return Promise.reject(new HalError("bus.refused", `the broker does not allow this client to hear ${filter}`));
    this.#wanted.add(filter);
    return new Promise((resolve) => {
      this.#acknowledge.set(filter, resolve);
      if (this.#connected) this.#whileConnected(this.#broker.arrival(this.#heardUntil), () => this.#grant(filter));
    });
  }

  unsubscribe(filter: string): void {
    this.#wanted.delete(filter);
    this.#granted.delete(filter);
    this.#acknowledge.delete(filter);
  }

  /** What was published before is on its way and still arrives; the will does not. */
  async close(): Promise<void> {
    this.#connected = false;
    this.#closed = true;
    this.#broker.forget(this);
  }

  /** For the broker. */
  hears(topic: string): boolean {
    return this.#connected && [...this.#granted].some((filter) => covers(filter, topic));
  }

  /** For the broker: one message on its way to this client. */
  deliver(message: BusMessage): void {
    const { faults, entropy } = this.#broker;
    if (entropy.below(1) < faults.loss) return;
    const copies = entropy.below(1) < faults.duplication ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      this.#heardUntil = this.#broker.arrival(this.#heardUntil);
      this.#whileConnected(this.#heardUntil, () => this.#listener.message(message));
    }
  }

  /** For the broker: the connection ends without a word from the client. */
  break(reason: string, publishWill: boolean): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#connection += 1;
    this.#granted.clear();
    const { will } = this.#options;
    if (publishWill && will !== undefined) this.#broker.route(will.topic, will.payload, true);
    this.#listener.down(new HalError("bus.lost", reason));
    this.#openAfter(milliseconds(RECONNECT + this.#broker.entropy.below(RECONNECT_SPREAD)));
  }

  #openAfter(wait: Duration): void {
    const { clock } = this.#broker;
    clock.alarm(after(clock.now(), wait), () => {
      if (this.#closed) return;
      if (this.#broker.running) this.#open();
      else this.#openAfter(milliseconds(RECONNECT + this.#broker.entropy.below(RECONNECT_SPREAD)));
    });
  }

  #open(): void {
    const foreign = this.#options.filters.find((filter) => !this.#maySubscribe(filter));
    if (foreign !== undefined) {
      this.#listener.down(new HalError("bus.refused", `the broker does not allow this client to hear ${foreign}`));
      this.#openAfter(RECONNECT_REFUSED);
      return;
    }
    this.#connected = true;
    for (const filter of this.#wanted) this.#grant(filter);
    this.#listener.up();
  }

  #grant(filter: string): void {
    if (!this.#wanted.has(filter)) return;
    this.#granted.add(filter);
    this.#acknowledge.get(filter)?.();
    this.#acknowledge.delete(filter);
    for (const message of this.#broker.retainedFor(filter)) this.deliver(message);
  }

  #whileConnected(at: Instant, what: () => void): void {
    const connection = this.#connection;
    this.#broker.clock.alarm(at, () => {
      if (connection === this.#connection && this.#connected) what();
    });
  }

  #mayPublish(topic: string, retained: boolean): boolean {
    if (this.#access === undefined) return true;
    return mayPublish(this.#access, topic) && (!retained || mayRetain(topic));
  }

  #maySubscribe(filter: string): boolean {
    return this.#access === undefined || maySubscribe(this.#access, filter);
  }
}
