// A running key server: its machine, its place on the bus, its rows in the store.

import { keptChannels } from "../../core/keys/epochs.ts";
import type { KeyServerEffect, KeyServerEvent, KeyServerPeers } from "../../core/keys/events.ts";
import { KeyServer } from "../../core/keys/server.ts";
import type { Identity } from "../../hal/identity/identity.ts";
import { MachineOnBus } from "../shared/machine-on-bus.ts";
import { heardByServer, type ServerPlatform, serverStatus } from "../shared/server.ts";
import { StoreHealth } from "../shared/store-health.ts";
import { HeadendPresences } from "./headend-presences.ts";

/** More channels and epochs than the machine keeps. */
const ROWS = 65_536;

/** Runs until `stop`; the store is its owner's. */
export class KeyServerService {
  readonly #machine: KeyServer;
  readonly #onBus: MachineOnBus<KeyServerEvent, KeyServerEffect>;
  readonly #health: StoreHealth;
  readonly #headends: HeadendPresences;

  /** Rejects with HalError when the store cannot be read. `identity` must have a key to sign notices with. */
  static async start(identity: Identity, peers: KeyServerPeers, platform: ServerPlatform): Promise<KeyServerService> {
    const rows = await platform.store.read({ table: "key_channel", limit: ROWS });
    const epochs = await platform.store.read({ table: "epoch", limit: ROWS });
    const machine = new KeyServer(peers, platform.clock, platform.entropy, keptChannels(rows, epochs));
    return new KeyServerService(identity, peers, platform, machine);
  }

  private constructor(identity: Identity, peers: KeyServerPeers, platform: ServerPlatform, machine: KeyServer) {
    if (identity.ed25519 === undefined) throw new RangeError("a key server signs notices");
    this.#health = new StoreHealth(platform.commits, platform.log);
    this.#machine = machine;
    const { id, x25519: keys, ed25519 } = identity;
    const participant = {
      title: "key server",
      role: "keyserver",
      id,
      keys,
      peers: [peers.reception],
      shards: platform.shards,
      noticeKey: { sign: ed25519.privateKey },
    } as const;
    const apply = (effect: KeyServerEffect) => this.#apply(effect);
    this.#onBus = new MachineOnBus(participant, platform, machine, heardByServer, apply);
    this.#headends = new HeadendPresences((id) => peers.headend(id) !== undefined, platform);
    this.#headends.watch(this.#onBus.bus);
    this.#onBus.start();
  }

  status() {
    const own = { ...this.#machine.status(), headends: this.#headends.status() };
    return serverStatus(this.#onBus.bus, this.#health, own);
  }

  rekey(channel: string): void {
    this.#onBus.feed({ kind: "rekey", channel });
  }

  stop(): Promise<void> {
    return this.#onBus.stop();
  }

  #apply(effect: KeyServerEffect): void {
    switch (effect.kind) {
      case "send":
      case "answer":
      case "notice":
        this.#onBus.bus.say(effect);
        return;
      case "commit": {
        const { channel, then, decision } = effect;
        const tell = (kind: "committed" | "failed") => () => this.#onBus.feed({ kind, channel, then });
        this.#health.run(decision, tell("committed"), tell("failed"));
        return;
      }
      default:
        effect satisfies never;
    }
  }
}
