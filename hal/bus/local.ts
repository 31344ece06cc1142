// Port Bus inside the broker's own process: no socket, no password, the same topics.
import type { Aedes, AedesPublishPacket } from "aedes";
import type { Bus, BusConnector, BusListener, BusOptions } from "../../core/ports/bus.ts";

type Deliver = (packet: AedesPublishPacket, done: () => void) => void;

/** Trusted: whoever holds it may use every topic. It lives and dies with the broker, so it leaves no will. */
export class LocalBuses implements BusConnector {
  readonly #broker: Aedes;

  constructor(broker: Aedes) {
    this.#broker = broker;
  }

  connect(options: BusOptions, listener: BusListener): Bus {
    return new LocalBus(this.#broker, options, listener);
  }
}

class LocalBus implements Bus {
  readonly #broker: Aedes;
  readonly #listener: BusListener;
  readonly #filters = new Map<string, Deliver>();
  #connected = false;
  #closed = false;
  #dropped = 0;

  constructor(broker: Aedes, options: BusOptions, listener: BusListener) {
    this.#broker = broker;
    this.#listener = listener;
    void Promise.all(options.filters.map((filter) => this.subscribe(filter))).then(() => this.#up());
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
    const packet = { cmd: "publish", topic, payload: asBuffer(payload), qos: 0, retain: retained, dup: false } as const;
    this.#broker.publish(packet, () => {});
  }

  async subscribe(filter: string): Promise<void> {
    if (this.#filters.has(filter)) return;
    const deliver: Deliver = (packet, done) => {
      this.#deliver(packet, false);
      done();
    };
    this.#filters.set(filter, deliver);
    await new Promise<void>((resolve) => this.#broker.subscribe(filter, deliver, resolve));
    for await (const packet of retainedOf(this.#broker, filter)) this.#deliver(packet, true);
  }

  unsubscribe(filter: string): void {
    const deliver = this.#filters.get(filter);
    if (deliver === undefined) return;
    this.#filters.delete(filter);
    this.#broker.unsubscribe(filter, deliver, () => {});
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#connected = false;
    for (const filter of [...this.#filters.keys()]) this.unsubscribe(filter);
  }

  #up(): void {
    if (this.#closed) return;
    this.#connected = true;
    this.#listener.up();
  }

  /** Never from inside `publish`: what the listener throws must not land in the broker. */
  #deliver({ topic, payload }: AedesPublishPacket, retained: boolean): void {
    const octets = typeof payload === "string" ? Buffer.from(payload) : payload;
    queueMicrotask(() => {
      if (!this.#closed) this.#listener.message({ topic, payload: octets, retained });
    });
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The broker's own store of retained messages; its type is not published. */
const retainedOf = (broker: Aedes, filter: string): AsyncIterable<AedesPublishPacket> =>
  (broker as unknown as RetainedStore).persistence.createRetainedStreamCombi([filter]);

interface RetainedStore {
  readonly persistence: { createRetainedStreamCombi(filters: readonly string[]): AsyncIterable<AedesPublishPacket> };
}
