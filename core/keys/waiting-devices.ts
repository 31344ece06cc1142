// What is remembered of devices: their requests that wait for the reception server, and the receptions that they have
// begun.
import { type Instant, seconds } from "../base/time.ts";
import { Allowance } from "../control/allowance.ts";
import type { Request } from "../control/mailbox.ts";
import type { MessageOf, MessageType } from "../control/messages.ts";
import { Recent } from "../control/recent.ts";

/** A request whose message is known to be of this type. */
export type RequestOf<T extends MessageType> = Request & { readonly message: MessageOf<T> };

/** Narrows a request by the type of its message. */
export const isRequestOf = <T extends MessageType>(request: Request, type: T): request is RequestOf<T> =>
  request.message.type === type;

/** Copies of one device's request that are all answered; further copies are the same request again. */
const COPIES = 4;

/** One inquiry or stop report for all copies of a request. A name stands for one reception of one device. */
export class WaitingDevices<T extends "key.request" | "stop"> {
  readonly #byName = new Map<string, RequestOf<T>[]>();

  get size(): number {
    return this.#byName.size;
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** True when something with this name waits already, and this copy with it. */
  join(name: string, request: RequestOf<T>): boolean {
    const copies = this.#byName.get(name);
    if (copies === undefined) return false;
    if (copies.length === COPIES) copies.shift();
    copies.push(request);
    return true;
  }

  add(name: string, request: RequestOf<T>): void {
    this.#byName.set(name, [request]);
  }

  /** The copies that waited under this name, oldest first, which wait no longer; empty when none did. */
  take(name: string): readonly RequestOf<T>[] {
    const copies = this.#byName.get(name) ?? [];
    this.#byName.delete(name);
    return copies;
  }
}

/** Faster than anybody zaps for long. */
const RATE = { burst: 32, spacing: seconds(1) };
const DEVICES = 65_536;
/** Receptions of one device that are known as begun: more than it has at once. */
const KNOWN = 16;

/**
 * What a device may begin: every new reception leaves a row on the reception server's disk, and its id is the device's
 * to choose.
 */
export class BegunReceptions {
  readonly #rate = new Allowance(RATE);
  readonly #known = new Recent<string, string[]>(DEVICES);

  /** False when the device names new receptions too fast. One that it has named lately costs nothing. */
  admit(now: Instant, device: string, reception: string): boolean {
    const known = this.#known.get(device) ?? [];
    if (known.includes(reception)) return true;
    if (!this.#rate.take(now, device)) return false;
    this.#known.set(device, [...known.slice(1 - KNOWN), reception]);
    return true;
  }
}
