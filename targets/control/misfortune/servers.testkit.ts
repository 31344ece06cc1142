// The key server and the reception server, each on a disk of its own: commits succeed, fail or end the process, which starts anew.
import assert from "node:assert/strict";
import { type Instant, milliseconds, unixTime } from "../../../core/base/time.ts";
import type { Request } from "../../../core/control/mailbox.ts";
import { keptChannels } from "../../../core/keys/epochs.ts";
import type { KeyServerEffect, KeyServerEvent } from "../../../core/keys/events.ts";
import { KeyServer } from "../../../core/keys/server.ts";
import { HalError } from "../../../core/ports/errors.ts";
import type { Decision } from "../../../core/ports/store.ts";
import { decideRevocation } from "../../../core/reception/revocation.ts";
import {
  RECEPTION_OPTIONS,
  type ReceptionEffect,
  type ReceptionEvent,
  type ReceptionOutcome,
  ReceptionServer,
} from "../../../core/reception/server.ts";
import type { SimulatedClock } from "../../../hal/clock/simulated.ts";
import { type CommitFate, type MemoryDisk, MemoryStore } from "../../../hal/store/memory.ts";
import type { Chance } from "./chance.testkit.ts";
import { type Invariants, rowsOf } from "./invariants.testkit.ts";
import { type Channel, HEADEND, KEY_SERVER, type Letter, type Letters, RECEPTION_SERVER } from "./letters.testkit.ts";

interface Waiting {
  readonly token: number;
  readonly decision: Decision<ReceptionOutcome>;
}

/** What the servers share with the rest of the history. */
export interface Surroundings {
  readonly clock: SimulatedClock;
  readonly chance: Chance;
  readonly letters: Letters;
  readonly invariants: Invariants;
  readonly keyDisk: MemoryDisk;
  readonly receptionDisk: MemoryDisk;
  /** Counts what happened, by name. */
  note(what: string): void;
}

export class PlayedServers {
  readonly #around: Surroundings;
  #keyStore: MemoryStore;
  #receptionStore: MemoryStore;
  #keys: KeyServer;
  #reception: ReceptionServer;
  #commits: (KeyServerEffect & { kind: "commit" })[] = [];
  #decisions: Waiting[] = [];

  constructor(around: Surroundings) {
    this.#around = around;
    [this.#keyStore, this.#keys] = this.#startKeys();
    [this.#receptionStore, this.#reception] = this.#startReception();
  }

  /** Demands for new keys that no new epoch has met yet. */
  get openDemands(): number {
    const { keyDisk, receptionDisk } = this.#around;
    const waiting = rowsOf(keyDisk, "key_channel").filter((row) => row.demandedAbove !== undefined);
    return waiting.length + rowsOf(receptionDisk, "rekey_demand").length;
  }

  hear({ to, from, message, asks }: Letter): void {
    // Origin and topic belong to the link, which is not here.
    const request = asks ? ({ from, message } as unknown as Request) : undefined;
    const heard = { kind: "message", received: { from, message, request } } as const;
    if (to.role === "keyserver") this.#feedKeys(heard);
    else this.#feedReception(heard);
  }

  pass(span: number): void {
    const { clock } = this.#around;
    clock.run(milliseconds(span));
    const now = clock.now();
    const [keys, reception] = [this.#keys.nextDeadline(), this.#reception.nextDeadline()];
    if (isDue(keys, now)) for (const effect of this.#keys.poll(now)) this.#applyKeys(effect);
    if (isDue(reception, now)) for (const effect of this.#reception.poll(now)) this.#applyReception(effect);
  }

  commitKeys(): void {
    const group = this.#commits.splice(0, 1 + Math.floor(this.#around.chance.below(3)));
    if (group.length === 0) return;
    const settled = this.#keyStore.transactNow(group.map(({ decision }) => decision));
    if (settled === undefined) {
      this.restartKeys();
      return;
    }
    const kind = settled instanceof HalError ? "failed" : "committed";
    for (const { channel, then } of group) this.#feedKeys({ kind, channel, then });
  }

  commitReception(): void {
    const group = this.#decisions.splice(0, 1 + Math.floor(this.#around.chance.below(5)));
    if (group.length === 0) return;
    const settled = this.#receptionStore.transactNow(group.map(({ decision }) => decision));
    if (settled === undefined) {
      this.restartReception();
      return;
    }
    for (const [i, { token }] of group.entries()) {
      const one = settled instanceof HalError ? undefined : settled[i];
      assert.notEqual(one?.kind, "fault", "no decision is at fault");
      if (one?.kind === "done") this.#feedReception({ kind: "decided", token, outcome: one.outcome });
      else this.#feedReception({ kind: "failed", token });
    }
  }

  restartKeys(): void {
    this.#around.note("key server died");
    [this.#keyStore, this.#keys] = this.#startKeys();
    this.#feedKeys({ kind: "broker", up: true });
  }

  restartReception(): void {
    this.#around.note("reception server died");
    [this.#receptionStore, this.#reception] = this.#startReception();
    this.#tellDemands();
  }

  /** The operator wants a new key. */
  rekey(channel: Channel): void {
    this.#feedKeys({ kind: "rekey", channel });
  }

  /** The operator revokes the device, in a process of its own. */
  revoke(device: string): void {
    const { clock, receptionDisk, invariants } = this.#around;
    const now = clock.unix(clock.now());
    const what = { device, keyservers: [KEY_SERVER.id], heldSince: unixTime(now - 3_600_000) };
    new MemoryStore(receptionDisk).transactNow([() => decideRevocation(what, now)]);
    invariants.revoked(device);
    this.#around.note("revoked");
    this.#tellDemands();
  }

  #startKeys(): [MemoryStore, KeyServer] {
    const { clock, chance, keyDisk } = this.#around;
    this.#commits = [];
    const kept = keptChannels(rowsOf(keyDisk, "key_channel"), rowsOf(keyDisk, "epoch"));
    const peers = { reception: RECEPTION_SERVER, headend: (id: string) => (id === HEADEND.id ? HEADEND : undefined) };
    return [new MemoryStore(keyDisk, () => this.#fate()), new KeyServer(peers, clock, chance, kept)];
  }

  #startReception(): [MemoryStore, ReceptionServer] {
    const { clock, chance, receptionDisk } = this.#around;
    this.#decisions = [];
    const peers = {
      keyServer: (id: string) => (id === KEY_SERVER.id ? KEY_SERVER.publicKey : undefined),
      router: () => undefined,
    };
    const options = { ...RECEPTION_OPTIONS, grace: milliseconds(8_000) };
    const store = new MemoryStore(receptionDisk, () => this.#fate());
    return [store, new ReceptionServer(peers, clock, chance, clock.now(), options)];
  }

  #fate(): CommitFate {
    const roll = this.#around.chance.misfortune();
    if (roll < 0.004) return "dies-before";
    if (roll < 0.008) return "dies-after";
    return roll < 0.02 ? "full" : "commits";
  }

  #tellDemands(): void {
    const rows = rowsOf(this.#around.receptionDisk, "rekey_demand");
    if (rows.length > 0) this.#feedReception({ kind: "demands", rows });
  }

  #feedKeys(event: KeyServerEvent): void {
    for (const effect of this.#keys.receive(this.#around.clock.now(), event)) this.#applyKeys(effect);
  }

  #feedReception(event: ReceptionEvent): void {
    for (const effect of this.#reception.receive(this.#around.clock.now(), event)) this.#applyReception(effect);
  }

  #applyKeys(effect: KeyServerEffect): void {
    const { letters, invariants } = this.#around;
    switch (effect.kind) {
      case "commit":
        this.#commits.push(effect);
        return;
      case "notice":
        invariants.announced(effect.notice.channel, effect.notice.epoch);
        return;
      case "send":
        letters.post({ from: KEY_SERVER, to: effect.to, message: effect.message, asks: true });
        return;
      case "answer":
        letters.post({ from: KEY_SERVER, to: effect.request.from, message: effect.message, asks: false });
        return;
      default:
        effect satisfies never;
    }
  }

  #applyReception(effect: ReceptionEffect): void {
    const { letters } = this.#around;
    switch (effect.kind) {
      case "decide":
        this.#decisions.push(effect);
        return;
      case "send":
        letters.post({ from: RECEPTION_SERVER, to: effect.to, message: effect.message, asks: true });
        return;
      case "answer":
        letters.post({ from: RECEPTION_SERVER, to: effect.request.from, message: effect.message, asks: false });
        return;
      default:
        effect satisfies never;
    }
  }
}

const isDue = (deadline: Instant | undefined, now: Instant): boolean => deadline !== undefined && deadline <= now;
