// What must hold whatever happens: no acknowledged record is lost or changed, and who has lost its right gets no new key.
import assert from "node:assert/strict";
import { toHex } from "../../../core/base/bytes.ts";
import type { EpochKey, MessageOf } from "../../../core/control/messages.ts";
import type { AnyRowQuery } from "../../../core/ports/store.ts";
import type { TableName, Tables } from "../../../core/ports/tables.ts";
import type { MemoryDisk } from "../../../hal/store/memory.ts";
import { CHANNELS } from "./letters.testkit.ts";

/** Every row of a table, as the disk has it. */
export const rowsOf = <T extends TableName>(disk: MemoryDisk, table: T): readonly Tables[T][] =>
  disk.find({ table, limit: 1e9 } as AnyRowQuery) as unknown as readonly Tables[T][];

export class Invariants {
  readonly #keyDisk: MemoryDisk;
  readonly #receptionDisk: MemoryDisk;
  /** Counts what happens, so that before and after can be told. */
  #step = 0;
  readonly #keyOf = new Map<string, string>();
  /** The step in which an epoch was first announced. */
  readonly #announced = new Map<string, number>();
  /** By device: the step of its revocation. */
  readonly #revoked = new Map<string, number>();
  readonly #granted = new Set<string>();
  readonly #records = new Map<string, string>();

  constructor(keyDisk: MemoryDisk, receptionDisk: MemoryDisk) {
    this.#keyDisk = keyDisk;
    this.#receptionDisk = receptionDisk;
  }

  /** Something happens now. */
  step(): void {
    this.#step += 1;
  }

  announced(channel: string, epoch: number): void {
    const name = `${channel} ${epoch}`;
    if (!this.#announced.has(name)) this.#announced.set(name, this.#step);
  }

  revoked(device: string): void {
    this.#revoked.set(device, this.#step);
  }

  isRevoked(device: string): boolean {
    return this.#revoked.has(device);
  }

  /** One epoch number has one key, whoever says it, before and after a crash. */
  sameKey(channel: string, key: EpochKey): void {
    const name = `${channel} ${key.epoch}`;
    const known = this.#keyOf.get(name);
    if (known === undefined) this.#keyOf.set(name, toHex(key.masterKey));
    else assert.equal(toHex(key.masterKey), known, `${name} has one key`);
  }

  acceptedIsOnDisk(channel: string, epoch: number): void {
    const row = rowsOf(this.#keyDisk, "key_channel").find((one) => one.channel === channel);
    assert.ok((row?.lastEpoch ?? 0) >= epoch, "an accepted epoch is on disk");
  }

  /** `reception`: what the device watches there now, in hexadecimal. */
  granted(device: string, grant: MessageOf<"key.grant">, reception: string | undefined): void {
    assert.ok(grant.epochs.length >= 1 && grant.epochs.length <= 3);
    const revoked = this.#revoked.get(device);
    for (const key of grant.epochs) {
      this.sameKey(grant.channel, key);
      const announced = this.#announced.get(`${grant.channel} ${key.epoch}`);
      assert.ok(announced !== undefined, "only announced epochs are granted");
      if (revoked !== undefined) assert.ok(announced <= revoked, "a revoked device gets no new epoch");
    }
    if (reception === undefined) return;
    // The grant does not name its reception; it counts for the one that the store knows.
    const equal = { device, channel: grant.channel, reception };
    if (this.#receptionDisk.find({ table: "live_reception", equal, limit: 1 }).length > 0) this.#granted.add(reception);
  }

  /** Whatever was granted and then acknowledged as stopped is on record at this very moment. */
  stopAcknowledged(reception: string): void {
    const record = this.#receptionDisk.find({ table: "usage_record", equal: { reception }, limit: 1 });
    if (this.#granted.has(reception)) assert.equal(record.length, 1, "an acknowledged stop has its record");
  }

  /** Everything that is on disk now. */
  check(): void {
    const live = rowsOf(this.#receptionDisk, "live_reception").map(({ reception }) => reception);
    const records = rowsOf(this.#receptionDisk, "usage_record");
    const closed = new Set(records.map(({ reception }) => reception));
    assert.equal(new Set(live).size, live.length, "a reception is live once");
    assert.deepEqual(
      live.filter((id) => closed.has(id)),
      [],
      "a live reception has no record",
    );
    for (const [reception, text] of this.#records) {
      assert.ok(closed.has(reception), `record ${reception} was lost`);
      assert.equal(JSON.stringify(records.find((row) => row.reception === reception)), text, "a record never changes");
    }
    for (const row of records) this.#records.set(row.reception, JSON.stringify(row));
    const known = new Set([...closed, ...live]);
    for (const reception of this.#granted)
      assert.ok(known.has(reception), `granted ${reception} is neither live nor recorded`);
    for (const channel of CHANNELS) {
      const epochs = rowsOf(this.#keyDisk, "epoch").filter((row) => row.channel === channel);
      assert.ok(epochs.length <= 3, "no more than previous, current and next");
    }
  }
}
