// Requests of devices that wait for the reception server: one inquiry or stop report for all copies of a request.
import type { Request } from "../control/link.ts";

/** Copies of one device's request that are all answered; further copies are the same request again. */
const COPIES = 4;

export interface WaitingDevice {
  readonly channel: string;
  readonly requests: Request[];
}

export class WaitingDevices {
  readonly #byKey = new Map<string, WaitingDevice>();

  get size(): number {
    return this.#byKey.size;
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** True when something with this key waits already, and this copy with it. */
  join(key: string, request: Request): boolean {
    const waiting = this.#byKey.get(key);
    if (waiting === undefined) return false;
    if (waiting.requests.length === COPIES) waiting.requests.shift();
    waiting.requests.push(request);
    return true;
  }

  add(key: string, channel: string, request: Request): void {
    this.#byKey.set(key, { channel, requests: [request] });
  }

  /** What waited under this key, each request id once; it waits no longer. */
  take(key: string): WaitingDevice | undefined {
    const waiting = this.#byKey.get(key);
    this.#byKey.delete(key);
    return waiting;
  }
}
