// The services that the operator registered, in memory, because the machines and the broker ask about them all the time.
import { timingSafeEqual } from "node:crypto";
import type { HeadendRight } from "../../core/keys/events.ts";
import { pages, type Store } from "../../core/ports/store.ts";
import type { ServiceRow } from "../../core/ports/tables.ts";
import type { Authentication } from "../../hal/bus/broker.ts";
import { passwordHash } from "../shared/registration.ts";

/** Read from the store at the start and after each change. */
export class Directory {
  readonly #store: Store;
  #services: ReadonlyMap<string, ServiceRow> = new Map();

  private constructor(store: Store) {
    this.#store = store;
  }

  static async open(store: Store): Promise<Directory> {
    const directory = new Directory(store);
    await directory.refresh();
    return directory;
  }

  /** After the operator has changed something. */
  async refresh(): Promise<void> {
    const services = new Map<string, ServiceRow>();
    for await (const page of pages(this.#store, { table: "service", equal: { status: "active" } }))
      for (const row of page) services.set(row.id, row);
    this.#services = services;
  }

  headend(id: string): HeadendRight | undefined {
    const row = this.#of(id, "headend");
    if (row === undefined) return undefined;
    return { publicKey: row.publicKey, ...(row.channels === undefined ? {} : { channels: row.channels.split(" ") }) };
  }

  key(id: string, role: ServiceRow["role"]): Uint8Array | undefined {
    return this.#of(id, role)?.publicKey;
  }

  /**
   * For the broker. A revoked device is let in too: it gets no key, but is told why. A revoked service is not.
   */
  async authenticate(id: string, password: Uint8Array): Promise<Authentication> {
    const hash = passwordHash(password);
    const service = this.#services.get(id);
    if (service !== undefined) return timingSafeEqual(hash, service.passwordHash) ? service.role : "wrong-password";
    const device = (await this.#store.read({ table: "device", equal: { id }, limit: 1 }))[0];
    if (device !== undefined) return timingSafeEqual(hash, device.passwordHash) ? "settop" : "wrong-password";
    const [revoked] = await this.#store.read({ table: "service", equal: { id }, limit: 1 });
    return revoked === undefined ? undefined : "revoked";
  }

  #of(id: string, role: ServiceRow["role"]): ServiceRow | undefined {
    const row = this.#services.get(id);
    return row?.role === role ? row : undefined;
  }
}
