import type { HalError } from "./errors.ts";

/** One MQTT message; topics as core/control/topics.ts spells them. */
export interface BusMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** As received: the broker kept it. As sent: the broker shall keep it (only for what holds no secret). */
  readonly retained: boolean;
}

/** What a participant hears of its bus. Calls come one at a time, never from inside a call to the bus. */
export interface BusListener {
  message(message: BusMessage): void;
  /** Connected and every subscription acknowledged: from here answers can arrive. */
  up(): void;
  /** The broker is gone; the driver is trying again (jittered, growing wait). */
  down(error: HalError): void;
}

/** One participant's connection, kept up by the driver. */
export interface Bus {
  readonly connected: boolean;
  /** Publishes that were dropped because the broker was away or did not read. */
  readonly dropped: number;
  /** QoS 0, fire and forget. Dropped and counted while the broker is away: the requester's own retry repeats it. */
  publish(topic: string, payload: Uint8Array, retained?: boolean): void;
  /** Adds a filter, acknowledged again after every reconnect. Resolves at the first acknowledgement; rejects with HalError "bus.refused" when the broker says no. */
  subscribe(filter: string): Promise<void>;
  /** Forgets a filter that was added. */
  unsubscribe(filter: string): void;
  /** What was published before still leaves; disconnects without the will. Resolves when closed, within 500 ms. */
  close(): Promise<void>;
}

/** Who connects, and what it hears from the start. */
export interface BusOptions {
  /** Client identifier, also the user name (RFC: a client may use only its own topics). */
  readonly clientId: string;
  /** Retained by the broker when we vanish. */
  readonly will?: { readonly topic: string; readonly payload: Uint8Array };
  readonly filters: readonly string[];
}

/** Publish and subscribe. Drivers: mqtt (a broker over TCP or TLS), local (inside the embedded broker's process), simulated. */
export interface BusConnector {
  connect(options: BusOptions, listener: BusListener): Bus;
}
