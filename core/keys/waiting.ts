// Requests of devices that wait for the reception server: one inquiry or stop report for all copies of a request.
import type { Request } from "../control/link.ts";

/** Copies of one device's request that are all answered; further copies are the same request again. */
const COPIES = 4;

export class WaitingDevices {
  readonly #byName = new Map<string, Request[]>();

  get size(): number {
    return this.#byName.size;
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** True when something with this name waits already, and this copy with it. */
  join(name: string, request: Request): boolean {
    const copies = this.#byName.get(name);
    if (copies === undefined) return false;
    if (copies.length === COPIES) copies.shift();
    copies.push(request);
    return true;
  }

  add(name: string, request: Request): void {
    this.#byName.set(name, [request]);
  }

  /** The copies that waited under this name, which wait no longer. */
  take(name: string): readonly Request[] {
    const copies = this.#byName.get(name) ?? [];
    this.#byName.delete(name);
    return copies;
  }
}
