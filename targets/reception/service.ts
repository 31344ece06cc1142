// A running reception server: its machine, its place on the bus, its transactions.

import type { Peer } from "../../core/control/participant.ts";
import {
  type ReceptionEffect,
  type ReceptionEvent,
  type ReceptionOptions,
  type ReceptionPeers,
  ReceptionServer,
} from "../../core/reception/server.ts";
import type { Identity } from "../../hal/identity/identity.ts";
import { routersBehind } from "../operator/policies.ts";
import { MachineOnBus } from "../shared/machine-on-bus.ts";
import { heardByServer, type ServerPlatform, serverStatus } from "../shared/server.ts";
import { StoreHealth } from "../shared/store-health.ts";

/** Demands read from the store at once; the rest follow when these are settled. */
const DEMANDS = 4096;

/** Runs until `stop`; the store is its owner's. */
export class ReceptionService {
  readonly #machine: ReceptionServer;
  readonly #onBus: MachineOnBus<ReceptionEvent, ReceptionEffect>;
  readonly #platform: ServerPlatform;
  readonly #health: StoreHealth;

  constructor(
    identity: Identity,
    keyServers: readonly Peer[],
    peers: ReceptionPeers,
    options: ReceptionOptions,
    platform: ServerPlatform,
  ) {
    const { clock, entropy, commits, log, shards } = platform;
    this.#platform = platform;
    this.#health = new StoreHealth(commits, log);
    this.#machine = new ReceptionServer(peers, clock, entropy, clock.now(), options);
    const participant = {
      title: "reception server",
      role: "reception",
      id: identity.id,
      keys: identity.x25519,
      peers: keyServers,
      shards,
    } as const;
    const apply = (effect: ReceptionEffect) => this.#apply(effect);
    this.#onBus = new MachineOnBus(participant, platform, this.#machine, heardByServer, apply);
    this.#onBus.start();
  }

  /** Sends the rekey demands that are on disk: at the start and after a revocation. */
  async demand(): Promise<void> {
    const rows = await this.#platform.store.read({ table: "rekey_demand", order: "since", limit: DEMANDS });
    if (rows.length > 0) this.#onBus.feed({ kind: "demands", rows });
  }

  /** Tells routers that have not the newest policy that there is one: at the start and after a change. */
  async tellPolicies(): Promise<void> {
    const behind = await routersBehind(this.#platform.store);
    if (behind.length > 0) this.#onBus.feed({ kind: "policies", behind });
  }

  /** The newest refusals, oldest first. */
  get refusals() {
    return this.#machine.refusals;
  }

  status() {
    return serverStatus(this.#onBus.bus, this.#health, {
      ...this.#machine.status(),
      commits: this.#platform.commits.figures,
    });
  }

  stop(): Promise<void> {
    return this.#onBus.stop();
  }

  #apply(effect: ReceptionEffect): void {
    switch (effect.kind) {
      case "send":
      case "answer":
        this.#onBus.bus.say(effect);
        return;
      case "decide": {
        const { token, decision } = effect;
        this.#health.run(
          decision,
          (outcome) => this.#onBus.feed({ kind: "decided", token, outcome }),
          () => this.#onBus.feed({ kind: "failed", token }),
        );
        return;
      }
      default:
        effect satisfies never;
    }
  }
}
