// The services that the operator registered, in memory, because the machines and the broker ask about them all the time.
import { createHash, timingSafeEqual } from "node:crypto";
import type { Role } from "../../core/control/participant.ts";
import type { HeadendRight } from "../../core/keys/events.ts";
import type { Store } from "../../core/ports/store.ts";
import type { ServiceRow } from "../../core/ports/tables.ts";

/** Services that one control server knows. */
const SERVICES = 65_536;

export const passwordHash = (password: Uint8Array | string): Uint8Array =>
  new Uint8Array(createHash("sha256").update(password).digest());

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
    const rows = await this.#store.read({ table: "service", equal: { status: "active" }, limit: SERVICES });
    this.#services = new Map(rows.map((row) => [row.id, row]));
  }

  headend(id: string): HeadendRight | undefined {
    const row = this.#of(id, "headend");
    if (row === undefined) return undefined;
    return { publicKey: row.publicKey, ...(row.channels === undefined ? {} : { channels: row.channels.split(" ") }) };
  }

  key(id: string, role: ServiceRow["role"]): Uint8Array | undefined {
    return this.#of(id, role)?.publicKey;
  }

  ids(role: ServiceRow["role"]): readonly string[] {
    return [...this.#services.values()].filter((row) => row.role === role).map(({ id }) => id);
  }

  /**
   * For the broker. A revoked device is let in too: it gets no key, but is told why. A revoked service is not.
   */
  async authenticate(id: string, password: Uint8Array): Promise<Role | undefined> {
    const hash = passwordHash(password);
    const service = this.#services.get(id);
    if (service !== undefined) return timingSafeEqual(hash, service.passwordHash) ? service.role : undefined;
    const device = (await this.#store.read({ table: "device", equal: { id }, limit: 1 }))[0];
    return device !== undefined && timingSafeEqual(hash, device.passwordHash) ? "settop" : undefined;
  }

  #of(id: string, role: ServiceRow["role"]): ServiceRow | undefined {
    const row = this.#services.get(id);
    return row?.role === role ? row : undefined;
  }
}
