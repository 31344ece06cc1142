// A running key server: its machine, its place on the bus, its rows in the store.

import { Runner } from "../../core/base/runner.ts";
import type { Endpoint } from "../../core/control/endpoint.ts";
import { keptChannels } from "../../core/keys/epochs.ts";
import type { KeyServerEffect, KeyServerEvent, KeyServerPeers } from "../../core/keys/events.ts";
import { KeyServer } from "../../core/keys/server.ts";
import type { Identity } from "../../hal/identity/identity.ts";
import { type ServerPowers, serverEndpoint, serverStatus } from "../shared/server.ts";
import { StoreHealth } from "../shared/store-health.ts";

/** More channels and epochs than the machine keeps. */
const ROWS = 65_536;

export class KeyServerService {
  readonly #machine: KeyServer;
  readonly #endpoint: Endpoint;
  readonly #runner: Runner<KeyServerEvent, KeyServerEffect>;
  readonly #health: StoreHealth;

  /** Rejects with HalError when the store cannot be read. `identity` must have a key to sign notices with. */
  static async start(identity: Identity, peers: KeyServerPeers, powers: ServerPowers): Promise<KeyServerService> {
    const rows = await powers.store.read({ table: "key_channel", limit: ROWS });
    const epochs = await powers.store.read({ table: "epoch", limit: ROWS });
    const machine = new KeyServer(peers, powers.clock, powers.entropy, keptChannels(rows, epochs));
    return new KeyServerService(identity, peers, powers, machine);
  }

  private constructor(identity: Identity, peers: KeyServerPeers, powers: ServerPowers, machine: KeyServer) {
    if (identity.ed25519 === undefined) throw new RangeError("a key server signs notices");
    this.#health = new StoreHealth(powers.commits, powers.log);
    this.#machine = machine;
    this.#runner = new Runner(powers.clock, machine, (effect) => this.#apply(effect));
    const { id, x25519: keys, ed25519 } = identity;
    const participant = { role: "keyserver", id, keys, peers: [peers.reception] } as const;
    const noticeKey = { sign: ed25519.privateKey };
    this.#endpoint = serverEndpoint("key server", participant, powers, (event) => this.#runner.feed(event), noticeKey);
    this.#runner.start();
  }

  status() {
    return serverStatus(this.#endpoint, this.#health, this.#machine.status());
  }

  rekey(channel: string): void {
    this.#runner.feed({ kind: "rekey", channel });
  }

  async stop(): Promise<void> {
    this.#runner.stop();
    await this.#endpoint.close();
  }

  #apply(effect: KeyServerEffect): void {
    switch (effect.kind) {
      case "send":
        this.#endpoint.send(effect.to, effect.message);
        return;
      case "answer":
        this.#endpoint.answer(effect.request, effect.message);
        return;
      case "notice":
        this.#endpoint.notice(effect.notice);
        return;
      case "commit": {
        const { channel, then, decision } = effect;
        const tell = (kind: "committed" | "failed") => () => this.#runner.feed({ kind, channel, then });
        this.#health.run(decision, tell("committed"), tell("failed"));
        return;
      }
      default:
        effect satisfies never;
    }
  }
}
