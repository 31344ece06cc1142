// Port Bus over a broker elsewhere, MQTT 3.1.1 or 5, through the mqtt package. The package neither queues nor reconnects for us:
// it would flush what it queued before it has subscribed again, and all clients of a dead broker would return in step.
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import type { Alarm } from "../../core/base/alarm.ts";
import { Backoff, type Schedule } from "../../core/base/backoff.ts";
import { after, milliseconds, seconds } from "../../core/base/time.ts";
import type { Bus, BusConnector, BusListener, BusOptions } from "../../core/ports/bus.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import { HalError } from "../../core/ports/errors.ts";
import { downError, isSubscriptionRefused } from "./down-error.ts";

/** The broker, and how to speak to it. */
export interface MqttOptions {
  /** "mqtt://host:1883" or "mqtts://host:8883". */
  readonly url: string;
  readonly password?: string;
  /** 4 is MQTT 3.1.1 (default), 5 is MQTT 5. */
  readonly version?: 4 | 5;
  /** PEM. `ca` replaces the system's; `cert` and `key` are this client's own. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Seconds between pings when nothing else is sent; a dead broker is noticed after one and a half. */
  readonly keepalive?: number;
}

const KEEPALIVE = 20;
const CONNECT_TIMEOUT = 10_000;
const CLOSE_TIMEOUT = 400;
/** Octets that may wait in the socket; beyond, publishes are dropped and counted. */
const BACKLOG = 1024 * 1024;
/**
 * The first attempt to reconnect comes after 0.25 to 0.75 s, later ones within a span that doubles up to 30 s. Two devices with one
 * identity take turns in throwing each other out: to be let in is not yet a success, to have stayed for 10 s is.
 */
const RECONNECT: Schedule = {
  first: milliseconds(500),
  ceiling: seconds(30),
  range: (span) => ({ from: milliseconds(250), to: milliseconds(250 + span) }),
  lasting: seconds(10),
};

/** Connections with one set of credentials. */
export class MqttBuses implements BusConnector {
  readonly #options: MqttOptions;
  readonly #clock: Clock;
  readonly #entropy: Entropy;

  constructor(options: MqttOptions, clock: Clock, entropy: Entropy) {
    this.#options = options;
    this.#clock = clock;
    this.#entropy = entropy;
  }

  connect(options: BusOptions, listener: BusListener): Bus {
    return new MqttBus(clientOptions(this.#options, options), this.#options.url, options, listener, {
      clock: this.#clock,
      entropy: this.#entropy,
    });
  }
}

/** What waits need: the time, and chance to spread them. */
interface Timing {
  readonly clock: Clock;
  readonly entropy: Entropy;
}

/** One connection after another; `#client` is the one that counts, what others still say is not heard. */
class MqttBus implements Bus {
  readonly #clientOptions: IClientOptions;
  readonly #url: string;
  readonly #listener: BusListener;
  readonly #timing: Timing;
  readonly #filters: Set<string>;
  /** Filters that `subscribe` added and no broker has acknowledged yet. */
  readonly #asked = new Map<string, Deferred>();
  readonly #backoff = new Backoff(RECONNECT);
  #client: MqttClient | undefined;
  #alarm: Alarm | undefined;
  #connected = false;
  #closed = false;
  #dropped = 0;
  #lastError: Error | undefined;

  constructor(client: IClientOptions, url: string, options: BusOptions, listener: BusListener, timing: Timing) {
    this.#clientOptions = client;
    this.#url = url;
    this.#listener = listener;
    this.#timing = timing;
    this.#filters = new Set(options.filters);
    this.#open();
  }

  get connected(): boolean {
    return this.#connected;
  }

  get dropped(): number {
    return this.#dropped;
  }

  publish(topic: string, payload: Uint8Array, retained = false): void {
    const client = this.#client;
    if (!this.#connected || client === undefined || client.stream.writableLength > BACKLOG) {
      this.#dropped += 1;
      return;
    }
    client.publish(topic, asBuffer(payload), { qos: 0, retain: retained });
  }

  subscribe(filter: string): Promise<void> {
    const asked = this.#asked.get(filter) ?? deferred();
    this.#filters.add(filter);
    this.#asked.set(filter, asked);
    // While the broker is away the next connection subscribes it with the others.
    if (this.#connected && this.#client !== undefined) this.#subscribeOne(this.#client, filter).catch(() => {});
    return asked.promise;
  }

  unsubscribe(filter: string): void {
    this.#filters.delete(filter);
    this.#asked.delete(filter);
    if (this.#connected) this.#client?.unsubscribe(filter, () => {});
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#connected = false;
    this.#alarm?.cancel();
    const client = this.#client;
    this.#client = undefined;
    if (client === undefined) return;
    if (!client.connected) {
      // `end` would say that it is done and leave the socket open until the connect timeout.
      client.end(true);
      return;
    }
    await new Promise<void>((resolve) => {
      const late = this.#after(CLOSE_TIMEOUT, () => {
        // Towards a broker that does not answer, `end` waits for ever and does not hear a second one.
        client.stream.destroy();
        resolve();
      });
      client.end(false, {}, () => {
        late.cancel();
        resolve();
      });
    });
  }

  #open(): void {
    const client = mqtt.connect(this.#url, this.#clientOptions);
    this.#client = client;
    this.#lastError = undefined;
    client.on("connect", () => void this.#subscribeAll(client));
    client.on("message", (topic, payload, packet) => {
      if (client === this.#client) this.#listener.message({ topic, payload, retained: packet.retain });
    });
    client.on("error", (error) => {
      this.#lastError = error;
    });
    client.on("close", () => this.#lost(client));
  }

  /** Only when all filters are acknowledged can answers arrive, so only then the bus is up. */
  async #subscribeAll(client: MqttClient): Promise<void> {
    const late = this.#after(CONNECT_TIMEOUT, () => this.#giveUp(client, new Error("no SUBACK in time")));
    try {
      await Promise.all([...this.#filters].map((filter) => this.#subscribeOne(client, filter)));
    } catch (error) {
      this.#giveUp(client, error);
      return;
    } finally {
      late.cancel();
    }
    if (client !== this.#client || !client.connected) return;
    this.#connected = true;
    this.#backoff.works(this.#timing.clock.now());
    this.#listener.up();
  }

  #giveUp(client: MqttClient, error: unknown): void {
    if (error instanceof Error) this.#lastError ??= error;
    client.end(true);
    this.#lost(client);
  }

  /** Rejects when the connection broke, and when the broker refuses a filter that `connect` was given. */
  async #subscribeOne(client: MqttClient, filter: string): Promise<void> {
    const asked = this.#asked.get(filter);
    try {
      await client.subscribeAsync(filter, { qos: 0 });
    } catch (cause) {
      if (!isSubscriptionRefused(cause) || asked === undefined) throw cause;
      this.#filters.delete(filter);
      this.#asked.delete(filter);
      const message = `the broker does not allow this client to subscribe to ${filter}`;
      asked.reject(new HalError("bus.refused", message, { cause }));
      return;
    }
    this.#asked.delete(filter);
    asked?.resolve();
  }

  #lost(client: MqttClient): void {
    if (this.#closed || client !== this.#client) return;
    this.#client = undefined;
    this.#connected = false;
    client.end(true);
    this.#listener.down(downError(this.#url, this.#lastError));
    const { clock, entropy } = this.#timing;
    this.#alarm = this.#after(this.#backoff.failed(clock.now(), entropy), () => this.#open());
  }

  #after(ms: number, what: () => void): Alarm {
    const { clock } = this.#timing;
    return clock.alarm(after(clock.now(), milliseconds(ms)), what);
  }
}

function clientOptions(options: MqttOptions, bus: BusOptions): IClientOptions {
  return {
    clientId: bus.clientId,
    username: bus.clientId,
    ...(options.password === undefined ? {} : { password: options.password }),
    ...options.tls,
    protocolVersion: options.version ?? 4,
    clean: true,
    keepalive: options.keepalive ?? KEEPALIVE,
    connectTimeout: CONNECT_TIMEOUT,
    reconnectPeriod: 0,
    queueQoSZero: false,
    resubscribe: false,
    ...(bus.will === undefined
      ? {}
      : { will: { topic: bus.will.topic, payload: asBuffer(bus.will.payload), qos: 0, retain: true } as const }),
  };
}

interface Deferred {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: HalError): void;
}

function deferred(): Deferred {
  let resolve = (): void => {};
  let reject = (_: HalError): void => {};
  const promise = new Promise<void>((settle, fail) => {
    resolve = settle;
    reject = fail;
  });
  return { promise, resolve, reject };
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
