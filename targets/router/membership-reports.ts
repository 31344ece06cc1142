// What one router saw of its hosts, on its way to the reception server over the broker.

import { Counters } from "../../core/base/counters.ts";
import { Runner } from "../../core/base/runner.ts";
import { Endpoint } from "../../core/control/endpoint.ts";
import { Link } from "../../core/control/link.ts";
import type { MembershipChange } from "../../core/control/messages.ts";
import type { Peer } from "../../core/control/participant.ts";
import type { LeaveCause } from "../../core/igmp/host-table.ts";
import type { BusConnector } from "../../core/ports/bus.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import type { KeyPair, Primitives } from "../../core/ports/primitives.ts";
import { MembershipReporter, type ReporterEffect, type ReporterEvent } from "../../core/router/reporter.ts";
import type { Logger } from "../shared/log.ts";

export interface MembershipReportsPowers {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly primitives: Primitives;
  readonly buses: BusConnector;
  readonly keys: KeyPair;
  readonly log: Logger;
}

export class MembershipReports {
  readonly #reporter: MembershipReporter;
  readonly #runner: Runner<ReporterEvent, ReporterEffect>;
  readonly #endpoint: Endpoint;
  readonly #drops = new Counters<string>();

  constructor(id: string, server: Peer, powers: MembershipReportsPowers) {
    const { clock, entropy, primitives, log } = powers;
    this.#reporter = new MembershipReporter(server, entropy);
    this.#runner = new Runner(clock, this.#reporter, (effect) => this.#apply(effect));
    const link = new Link({ role: "router", id, keys: powers.keys, peers: [server] }, primitives, entropy);
    this.#endpoint = new Endpoint(
      powers.buses,
      { link, clock, primitives },
      {
        message: ({ from, message }) => this.#runner.feed({ kind: "answer", from, message }),
        notice() {},
        up: () => {
          log.info("the broker is there");
          this.#runner.feed({ kind: "up" });
        },
        down: (error) => log.warn({ code: error.code }, `the broker is away: ${error.message}`),
        dropped: (drop, detail, topic) => log.warn({ drop, detail, topic }, "message dropped"),
      },
    );
  }

  add(change: MembershipChange): void {
    this.#runner.feed({ kind: "change", change });
  }

  status(): object {
    const { connected, drops } = this.#endpoint;
    return { connected, waiting: this.#reporter.waiting, drops: { ...drops.snapshot(), ...this.#drops.snapshot() } };
  }

  /** The last changes go out; nobody waits for their acknowledgement. */
  async close(): Promise<void> {
    this.#runner.feed({ kind: "flush" });
    this.#runner.stop();
    await this.#endpoint.close();
  }

  #apply(effect: ReporterEffect): void {
    switch (effect.kind) {
      case "send":
        this.#endpoint.send(effect.to, effect.message);
        return;
      case "drop":
        this.#drops.count(effect.reason);
        return;
    }
  }
}

/** The word for a reception server: an interface that went down tells nothing of the host, its membership just ends. */
export const changeWord = (cause: LeaveCause): MembershipChange["change"] => (cause === "left" ? "left" : "expired");
