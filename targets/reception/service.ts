// A running reception server: its machine, its place on the bus, its transactions.

import { Runner } from "../../core/base/runner.ts";
import type { Endpoint } from "../../core/control/endpoint.ts";
import type { Peer } from "../../core/control/participant.ts";
import {
  type ReceptionEffect,
  type ReceptionEvent,
  type ReceptionOptions,
  type ReceptionPeers,
  ReceptionServer,
} from "../../core/reception/server.ts";
import type { Identity } from "../../hal/identity/identity.ts";
import { type ServerPowers, serverEndpoint, serverStatus } from "../shared/server.ts";
import { StoreHealth } from "../shared/store-health.ts";

/** Demands read from the store at once; the rest follow when these are settled. */
const DEMANDS = 4096;

export class ReceptionService {
  readonly #machine: ReceptionServer;
  readonly #endpoint: Endpoint;
  readonly #runner: Runner<ReceptionEvent, ReceptionEffect>;
  readonly #powers: ServerPowers;
  readonly #health: StoreHealth;

  constructor(
    identity: Identity,
    keyServers: readonly Peer[],
    peers: ReceptionPeers,
    options: ReceptionOptions,
    powers: ServerPowers,
  ) {
    const { clock, entropy, log } = powers;
    this.#powers = powers;
    this.#health = new StoreHealth(powers.commits, log);
    this.#machine = new ReceptionServer(peers, clock, entropy, clock.now(), options);
    this.#runner = new Runner(clock, this.#machine, (effect) => this.#apply(effect));
    const participant = { role: "reception", id: identity.id, keys: identity.x25519, peers: keyServers } as const;
    this.#endpoint = serverEndpoint("reception server", participant, powers, (event) => this.#runner.feed(event));
    this.#runner.start();
  }

  /** Sends the rekey demands that are on disk: at the start and after a revocation. */
  async demand(): Promise<void> {
    const rows = await this.#powers.store.read({ table: "rekey_demand", order: "since", limit: DEMANDS });
    if (rows.length > 0) this.#runner.feed({ kind: "demands", rows });
  }

  /** The newest refusals, oldest first. */
  get refusals() {
    return this.#machine.refusals;
  }

  status() {
    return serverStatus(this.#endpoint, this.#health, {
      ...this.#machine.status(),
      commits: this.#powers.commits.figures,
    });
  }

  async stop(): Promise<void> {
    this.#runner.stop();
    await this.#endpoint.close();
  }

  #apply(effect: ReceptionEffect): void {
    switch (effect.kind) {
      case "send":
        this.#endpoint.send(effect.to, effect.message);
        return;
      case "answer":
        this.#endpoint.answer(effect.request, effect.message);
        return;
      case "decide": {
        const { token, decision } = effect;
        this.#health.run(
          decision,
          (outcome) => this.#runner.feed({ kind: "decided", token, outcome }),
          () => this.#runner.feed({ kind: "failed", token }),
        );
      }
    }
  }
}
