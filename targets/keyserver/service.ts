// A running key server: its machine, its place on the bus, its rows in the store.

import { Link } from "../../core/control/link.ts";
import type { KeyServerEffect, KeyServerEvent, KeyServerPeers } from "../../core/keys/events.ts";
import { keptChannels } from "../../core/keys/kept-channel.ts";
import { KeyServer } from "../../core/keys/server.ts";
import type { BusConnector } from "../../core/ports/bus.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import type { Primitives } from "../../core/ports/primitives.ts";
import type { Store } from "../../core/ports/store.ts";
import { Endpoint } from "../../hal/bus/endpoint.ts";
import { Runner } from "../../hal/clock/runner.ts";
import type { Identity } from "../../hal/identity/identity.ts";
import type { GroupCommit } from "../../hal/store/group-commit.ts";
import type { Logger } from "../shared/log.ts";
import { StoreHealth } from "./store-health.ts";

export interface ServerPowers {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly primitives: Primitives;
  readonly buses: BusConnector;
  readonly store: Store;
  readonly commits: GroupCommit;
  readonly log: Logger;
  readonly shards: number;
}

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
    const { clock, entropy, primitives, buses, log, shards } = powers;
    if (identity.ed25519 === undefined) throw new RangeError("a key server signs notices");
    this.#health = new StoreHealth(powers.commits, log);
    this.#machine = machine;
    this.#runner = new Runner(clock, machine, (effect) => this.#apply(effect));
    const options = {
      role: "keyserver",
      id: identity.id,
      keys: identity.x25519,
      peers: [peers.reception],
      shards,
    } as const;
    const link = new Link(options, primitives, entropy);
    const noticeKey = { sign: identity.ed25519.privateKey };
    this.#endpoint = new Endpoint(
      buses,
      { link, clock, primitives, noticeKey },
      {
        message: (received) => this.#runner.feed({ kind: "message", received }),
        notice: () => {},
        up: () => {
          log.info("key server: broker connected");
          this.#runner.feed({ kind: "link", up: true });
        },
        down: (error) => {
          log.warn({ code: error.code }, `key server: ${error.message}`);
          this.#runner.feed({ kind: "link", up: false });
        },
        dropped: (drop, detail, topic) => log.debug({ drop, detail, topic }, "message dropped"),
      },
    );
    this.#runner.start();
  }

  status() {
    return {
      broker: this.#endpoint.connected ? "connected" : "away",
      store: this.#health.fault ?? "works",
      ...this.#machine.status(),
      messages: { sent: this.#endpoint.sent.snapshot(), received: this.#endpoint.received.snapshot() },
      messageDrops: this.#endpoint.drops.snapshot(),
    };
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
        const { token, decision } = effect;
        const tell = (kind: "committed" | "failed") => () => this.#runner.feed({ kind, token });
        this.#health.run(decision, tell("committed"), tell("failed"));
      }
    }
  }
}
