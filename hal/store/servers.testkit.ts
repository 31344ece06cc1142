// A small world for the fuzz test: both servers on simulated disks, and devices, a headend and a network that do their worst.
import assert from "node:assert/strict";
import { toHex } from "../../core/base/bytes.ts";
import { type Instant, milliseconds } from "../../core/base/time.ts";
import type { Request } from "../../core/control/link.ts";
import type { ChannelParameters, EpochKey, Message, MessageOf } from "../../core/control/messages.ts";
import type { Peer } from "../../core/control/participant.ts";
import type { KeyServerEffect, KeyServerEvent } from "../../core/keys/events.ts";
import { keptChannels } from "../../core/keys/kept-channel.ts";
import { KeyServer } from "../../core/keys/server.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { AnyQuery, Decision } from "../../core/ports/store.ts";
import type { EpochRow, KeyChannelRow, RekeyDemandRow, UsageRecordRow } from "../../core/ports/tables.ts";
import { octets } from "../../core/reception/decisions.testkit.ts";
import { decideRevocation } from "../../core/reception/revocation.ts";
import {
  RECEPTION_OPTIONS,
  type ReceptionEffect,
  type ReceptionEvent,
  type ReceptionOutcome,
  ReceptionServer,
} from "../../core/reception/server.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { type CommitFate, MemoryDisk, MemoryStore } from "./memory.ts";

const peer = (role: Peer["role"], id: string, fill: number): Peer => ({ role, id, publicKey: octets(fill) });
const KEYS = peer("keyserver", "ks", 100);
const RECEPTION = peer("reception", "rs", 101);
const HEADEND = peer("headend", "he", 102);
const CHANNELS = ["one", "two"] as const;
type Channel = (typeof CHANNELS)[number];

interface Letter {
  readonly to: Peer;
  readonly from: Peer;
  readonly message: Message;
  /** Set when it can be answered. */
  readonly asks: boolean;
}

interface Device {
  readonly peer: Peer;
  readonly viewing: Map<Channel, Uint8Array>;
  /** Receptions that wait for the acknowledgement of their stop. */
  readonly stopping: Map<string, { readonly channel: Channel; readonly reception: Uint8Array }>;
  readonly granted: Set<string>;
  revokedAt?: number;
}

const LETTERS = 20;

export class ServersWorld {
  readonly clock = new SimulatedClock();
  readonly #dice: SeededEntropy;
  readonly #keyDisk = new MemoryDisk();
  readonly #receptionDisk: MemoryDisk;
  #keyStore: MemoryStore;
  #receptionStore: MemoryStore;
  #keys: KeyServer;
  #reception: ReceptionServer;
  #commits: { readonly token: number; readonly decision: Decision<void> }[] = [];
  #decisions: { readonly token: number; readonly decision: Decision<ReceptionOutcome> }[] = [];
  readonly #letters: Letter[] = [];
  readonly devices: Device[];
  #step = 0;
  #calm = false;
  readonly #keyOf = new Map<string, string>();
  /** The step in which an epoch was first announced. */
  readonly #born = new Map<string, number>();
  readonly #records = new Map<string, string>();
  readonly #proposal = new Map<Channel, MessageOf<"epoch.proposal">>();
  readonly #demands = new Set<string>();
  readonly #last = new Map<Channel, number>();
  readonly #current = new Map<Channel, number>();
  readonly happened: Record<string, number> = {};

  constructor(seed: number, receptionDisk: MemoryDisk, devices: number) {
    this.#dice = new SeededEntropy(seed);
    this.#receptionDisk = receptionDisk;
    this.devices = Array.from({ length: devices }, (_, i) => ({
      peer: peer("settop", `box${i + 1}`, i + 1),
      viewing: new Map(),
      stopping: new Map(),
      granted: new Set(),
    }));
    [this.#keyStore, this.#keys] = this.#startKeys();
    [this.#receptionStore, this.#reception] = this.#startReception();
  }

  /** One thing happens: a letter arrives, somebody acts, a disk works, time passes or a server dies. */
  step(): void {
    this.#step += 1;
    const roll = this.#dice.below(100);
    if (roll < 40) this.#deliver();
    else if (roll < 55) this.#commitKeys();
    else if (roll < 70) this.#commitReception();
    else if (roll < 82) this.#deviceActs(this.#pick(this.devices));
    else if (roll < 92) this.#headendActs(this.#pick(CHANNELS));
    else if (roll < 99 || this.#calm) this.#pass(this.#dice.below(160));
    else this.#disturb();
  }

  /** From here on nothing dies or is lost, and nobody starts anything new. */
  settle(steps: number): void {
    this.#calm = true;
    for (let i = 0; i < steps; i++) this.step();
  }

  /** Invariants 2 and 4 of the design, over everything that is on disk. */
  check(): void {
    const live = this.#rows<{ reception: string }>("live_reception").map(({ reception }) => reception);
    const records = this.#rows<UsageRecordRow>("usage_record");
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
    for (const { granted } of this.devices)
      for (const reception of granted)
        assert.ok(
          closed.has(reception) || live.includes(reception),
          `granted ${reception} is neither live nor recorded`,
        );
    for (const channel of CHANNELS) {
      const epochs = this.#keyRows<EpochRow>("epoch").filter((row) => row.channel === channel);
      assert.ok(epochs.length <= 3, "no more than previous, current and next");
    }
  }

  get unacknowledgedStops(): number {
    return this.devices.reduce((sum, { stopping }) => sum + stopping.size, 0);
  }

  get openDemands(): number {
    const waiting = this.#keyRows<KeyChannelRow>("key_channel").filter((row) => row.demandedAbove !== undefined);
    return waiting.length + this.#rows<RekeyDemandRow>("rekey_demand").length;
  }

  #rows<Row>(table: AnyQuery["table"]): readonly Row[] {
    return this.#receptionDisk.find({ table, limit: 1e9 } as AnyQuery) as readonly Row[];
  }

  #keyRows<Row>(table: AnyQuery["table"]): readonly Row[] {
    return this.#keyDisk.find({ table, limit: 1e9 } as AnyQuery) as readonly Row[];
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#dice.below(from.length))] as T;
  }

  #note(what: string): void {
    this.happened[what] = (this.happened[what] ?? 0) + 1;
  }

  #now(): Instant {
    return this.clock.now();
  }

  #fate(): CommitFate {
    const roll = this.#calm ? 1 : this.#dice.below(1);
    if (roll < 0.004) return "dies-before";
    if (roll < 0.008) return "dies-after";
    return roll < 0.02 ? "full" : "commits";
  }

  #startKeys(): [MemoryStore, KeyServer] {
    this.#commits = [];
    const kept = keptChannels(this.#keyRows<KeyChannelRow>("key_channel"), this.#keyRows<EpochRow>("epoch"));
    const peers = { reception: RECEPTION, headend: (id: string) => (id === HEADEND.id ? HEADEND : undefined) };
    const store = new MemoryStore(this.#keyDisk, () => this.#fate());
    return [store, new KeyServer(peers, this.clock, this.#dice, kept)];
  }

  #startReception(): [MemoryStore, ReceptionServer] {
    this.#decisions = [];
    const peers = {
      keyServer: (id: string) => (id === KEYS.id ? KEYS.publicKey : undefined),
      router: () => undefined,
    };
    const options = { ...RECEPTION_OPTIONS, grace: milliseconds(8_000) };
    const store = new MemoryStore(this.#receptionDisk, () => this.#fate());
    return [store, new ReceptionServer(peers, this.clock, this.#dice, this.#now(), options)];
  }

  #feedKeys(event: KeyServerEvent): void {
    for (const effect of this.#keys.receive(this.#now(), event)) this.#applyKeys(effect);
  }

  #feedReception(event: ReceptionEvent): void {
    for (const effect of this.#reception.receive(this.#now(), event)) this.#applyReception(effect);
  }

  #applyKeys(effect: KeyServerEffect): void {
    switch (effect.kind) {
      case "commit":
        this.#commits.push(effect);
        return;
      case "notice": {
        const name = `${effect.notice.channel} ${effect.notice.epoch}`;
        if (!this.#born.has(name)) this.#born.set(name, this.#step);
        return;
      }
      case "send":
        this.#post({ from: KEYS, to: effect.to, message: effect.message, asks: true });
        return;
      case "answer":
        this.#post({ from: KEYS, to: effect.request.from, message: effect.message, asks: false });
    }
  }

  #applyReception(effect: ReceptionEffect): void {
    if (effect.kind === "decide") this.#decisions.push(effect);
    else if (effect.kind === "send")
      this.#post({ from: RECEPTION, to: effect.to, message: effect.message, asks: true });
    else this.#post({ from: RECEPTION, to: effect.request.from, message: effect.message, asks: false });
  }

  #post(letter: Letter): void {
    this.#letters.push(letter);
    if (this.#letters.length > LETTERS) this.#letters.splice(Math.floor(this.#dice.below(LETTERS)), 1);
  }

  /** Any letter, in any order; some stay to arrive again, some are lost. */
  #deliver(): void {
    if (this.#letters.length === 0) return;
    const at = this.#calm ? 0 : Math.floor(this.#dice.below(this.#letters.length));
    const letter = this.#letters[at] as Letter;
    const roll = this.#calm ? 1 : this.#dice.below(1);
    if (roll > 0.15) this.#letters.splice(at, 1);
    if (roll > 0.15 && roll < 0.25) return;
    this.#arrive(letter);
  }

  #arrive({ to, from, message, asks }: Letter): void {
    this.#note(message.type);
    // Origin and topic belong to the link, which is not here.
    const request = asks ? ({ from, message } as unknown as Request) : undefined;
    const received = { from, message, request };
    if (to === KEYS) this.#feedKeys({ kind: "message", received });
    else if (to === RECEPTION || to.id === RECEPTION.id) this.#feedReception({ kind: "message", received });
    else if (to.role === "keyserver") this.#feedKeys({ kind: "message", received });
    else if (to.role === "headend") this.#headendHears(message);
    else this.#deviceHears(this.devices.find(({ peer: { id } }) => id === to.id) as Device, message);
  }

  #commitKeys(): void {
    const group = this.#commits.splice(0, 1 + Math.floor(this.#dice.below(3)));
    if (group.length === 0) return;
    const settled = this.#keyStore.transactNow(group.map(({ decision }) => decision));
    if (settled === undefined) {
      this.#restartKeys();
      return;
    }
    const kind = settled instanceof HalError ? "failed" : "committed";
    for (const { token } of group) this.#feedKeys({ kind, token });
  }

  #commitReception(): void {
    const group = this.#decisions.splice(0, 1 + Math.floor(this.#dice.below(5)));
    if (group.length === 0) return;
    const settled = this.#receptionStore.transactNow(group.map(({ decision }) => decision));
    if (settled === undefined) {
      this.#restartReception();
      return;
    }
    for (const [i, { token }] of group.entries()) {
      const one = settled instanceof HalError ? undefined : settled[i];
      assert.notEqual(one?.kind, "fault", "no decision is at fault");
      if (one?.kind === "done") this.#feedReception({ kind: "decided", token, outcome: one.outcome });
      else this.#feedReception({ kind: "failed", token });
    }
  }

  #restartKeys(): void {
    this.#note("key server died");
    [this.#keyStore, this.#keys] = this.#startKeys();
    this.#feedKeys({ kind: "link", up: true });
  }

  #restartReception(): void {
    this.#note("reception server died");
    [this.#receptionStore, this.#reception] = this.#startReception();
    this.#tellDemands();
  }

  #tellDemands(): void {
    const rows = this.#rows<RekeyDemandRow>("rekey_demand");
    if (rows.length > 0) this.#feedReception({ kind: "demands", rows });
  }

  #disturb(): void {
    const roll = this.#dice.below(10);
    if (roll < 2) this.#restartKeys();
    else if (roll < 4) this.#restartReception();
    else if (roll < 4.5) this.#pass(20_000);
    else if (roll < 8) this.#revoke(this.#pick(this.devices));
    else this.#feedKeys({ kind: "rekey", channel: this.#pick(CHANNELS) });
  }

  #revoke(device: Device): void {
    const active = this.devices.filter(({ revokedAt }) => revokedAt === undefined).length;
    if (device.revokedAt !== undefined || active <= 4) return;
    const now = this.clock.unix(this.#now());
    const what = { device: device.peer.id, keyservers: [KEYS.id], heldSince: (now - 3_600_000) as typeof now };
    const store = new MemoryStore(this.#receptionDisk);
    store.transactNow([() => decideRevocation(what, now)]);
    device.revokedAt = this.#step;
    this.#note("revoked");
    this.#tellDemands();
  }

  #pass(span: number): void {
    this.clock.run(milliseconds(span));
    const now = this.#now();
    const [keys, reception] = [this.#keys.nextDeadline(), this.#reception.nextDeadline()];
    if (keys !== undefined && keys <= now) for (const effect of this.#keys.poll(now)) this.#applyKeys(effect);
    if (reception !== undefined && reception <= now)
      for (const effect of this.#reception.poll(now)) this.#applyReception(effect);
  }

  #deviceActs(device: Device): void {
    const roll = this.#dice.below(10);
    const waiting = [...device.stopping.values()];
    if (waiting.length > 0 && (roll < 2 || this.#calm)) {
      this.#sendStop(device, this.#pick(waiting));
      return;
    }
    if (this.#calm) return;
    const channel = this.#pick(CHANNELS);
    const reception = device.viewing.get(channel);
    if (reception === undefined || roll > 8.5) {
      device.viewing.set(channel, this.#dice.bytes(16));
      this.#ask(device, channel, "start");
    } else if (roll < 7) this.#ask(device, channel, "rekey");
    else {
      device.viewing.delete(channel);
      device.stopping.set(toHex(reception), { channel, reception });
      this.#sendStop(device, { channel, reception });
    }
  }

  #ask(device: Device, channel: Channel, reason: "start" | "rekey"): void {
    const reception = device.viewing.get(channel) as Uint8Array;
    const message: Message = { type: "key.request", id: this.#dice.bytes(16), channel, reception, reason };
    this.#post({ from: device.peer, to: KEYS, message, asks: true });
  }

  #sendStop(device: Device, { channel, reception }: { channel: Channel; reception: Uint8Array }): void {
    const message: Message = { type: "stop", id: this.#dice.bytes(16), channel, reception, cause: "stopped" };
    this.#post({ from: device.peer, to: KEYS, message, asks: true });
  }

  #deviceHears(device: Device, message: Message): void {
    if (message.type === "key.grant") this.#granted(device, message);
    if (message.type === "key.denied" && message.reason === "reception.ended")
      device.viewing.delete(message.channel as Channel);
    if (message.type !== "stop.acknowledged") return;
    const reception = toHex(message.reception);
    device.stopping.delete(reception);
    // Whatever was granted and then acknowledged as stopped is on record at this very moment.
    const record = this.#receptionDisk.find({ table: "usage_record", equal: { reception }, limit: 1 });
    if (device.granted.has(reception)) assert.equal(record.length, 1, "an acknowledged stop has its record");
  }

  #granted(device: Device, grant: MessageOf<"key.grant">): void {
    assert.ok(grant.epochs.length >= 1 && grant.epochs.length <= 3);
    for (const key of grant.epochs) {
      this.#sameKey(grant.channel, key);
      const born = this.#born.get(`${grant.channel} ${key.epoch}`);
      assert.ok(born !== undefined, "only announced epochs are granted");
      if (device.revokedAt !== undefined) assert.ok(born <= device.revokedAt, "a revoked device gets no new epoch");
    }
    const reception = device.viewing.get(grant.channel as Channel);
    if (reception !== undefined) this.#rememberGrant(device, grant.channel, toHex(reception));
  }

  /** The grant does not name its reception; it counts for the one that the store knows. */
  #rememberGrant(device: Device, channel: string, reception: string): void {
    const equal = { device: device.peer.id, channel, reception };
    if (this.#receptionDisk.find({ table: "live_reception", equal, limit: 1 }).length > 0)
      device.granted.add(reception);
  }

  /** One epoch number has one key, whoever says it, before and after a crash. */
  #sameKey(channel: string, key: EpochKey): void {
    const name = `${channel} ${key.epoch}`;
    const known = this.#keyOf.get(name);
    if (known === undefined) this.#keyOf.set(name, toHex(key.masterKey));
    else assert.equal(toHex(key.masterKey), known, `${name} has one key`);
  }

  #parameters(channel: Channel): ChannelParameters {
    const stream = { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 7, payloadType: 33 } as const;
    return { channel, group: 0xefff4d01, port: 5004, stream, interval: 4_000, overlap: 2_000, window: 500 };
  }

  #headendActs(channel: Channel): void {
    const current = this.#current.get(channel);
    if (current !== undefined && this.#dice.below(3) < 1) {
      const where = { ssrc: 7, roc: 1, seq: 2, current, endsIn: 0 };
      this.#tell({ type: "stream.report", id: this.#dice.bytes(16), channel, ...where });
    } else if (channel === "one") this.#propose();
    else if (current === undefined || (!this.#calm && this.#dice.below(20) < 1)) this.#want(current);
  }

  #tell(message: Message): void {
    this.#post({ from: HEADEND, to: KEYS, message, asks: true });
  }

  #propose(id = this.#dice.bytes(16)): void {
    const waiting = this.#proposal.get("one");
    if (waiting !== undefined) {
      this.#tell(waiting);
      return;
    }
    const epoch = (this.#last.get("one") ?? 0) + 1;
    this.#last.set("one", epoch);
    const key = { epoch, masterKey: this.#dice.bytes(16), masterSalt: this.#dice.bytes(12) };
    const proposal = { type: "epoch.proposal", id, parameters: this.#parameters("one"), key, switchIn: 1_000 } as const;
    this.#proposal.set("one", proposal);
    this.#tell(proposal);
  }

  #want(last: number | undefined): void {
    const known = last === undefined ? {} : { last };
    this.#tell({ type: "epoch.wanted", id: this.#dice.bytes(16), parameters: this.#parameters("two"), ...known });
  }

  #headendHears(message: Message): void {
    switch (message.type) {
      case "epoch.accepted":
        this.#accepted(message);
        return;
      case "epoch.refused":
        this.#last.set("one", Math.max(this.#last.get("one") ?? 0, message.last));
        if (sameId(this.#proposal.get("one"), message)) this.#proposal.delete("one");
        return;
      case "epoch.demand":
        if (this.#demands.has(toHex(message.id))) return;
        this.#demands.add(toHex(message.id));
        this.#proposal.delete("one");
        this.#propose(message.id);
        return;
      case "epoch.offer":
        this.#sameKey(message.channel, message.key);
        this.#current.set("two", Math.max(this.#current.get("two") ?? 0, message.key.epoch));
        this.#tell({ type: "epoch.taken", id: message.id, channel: "two", epoch: message.key.epoch });
        return;
      default:
        assert.fail(`a headend hears no ${message.type}`);
    }
  }

  #accepted({ id, epoch }: MessageOf<"epoch.accepted">): void {
    const proposal = this.#proposal.get("one");
    if (proposal === undefined || !sameId(proposal, { id }) || proposal.key.epoch !== epoch) return;
    const row = this.#keyRows<KeyChannelRow>("key_channel").find(({ channel }) => channel === "one");
    assert.ok((row?.lastEpoch ?? 0) >= epoch, "an accepted epoch is on disk");
    this.#sameKey("one", proposal.key);
    this.#proposal.delete("one");
    this.#current.set("one", epoch);
  }
}

const sameId = (a: { readonly id: Uint8Array } | undefined, b: { readonly id: Uint8Array }): boolean =>
  a !== undefined && toHex(a.id) === toHex(b.id);
