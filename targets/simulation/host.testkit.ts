// What all simulated processes stand on: one clock, one seed, one network, one broker, one log.
import { createHash } from "node:crypto";
import type { LevelWithSilent } from "pino";
import type { Role } from "../../core/control/participant.ts";
import type { BusConnector } from "../../core/ports/bus.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import { SimulatedBroker } from "../../hal/bus/simulated.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { SimulatedNetwork } from "../../hal/simulation/network.ts";
import type { Logger } from "../shared/log.ts";
import type { SimulatedProcess } from "./process.testkit.ts";
import { simulatedLog } from "./seeded-log.testkit.ts";
import { SeededPrimitives } from "./seeded-primitives.testkit.ts";

export interface ProcessPlatform {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
  readonly buses: BusConnector;
}

export class SimulatedHost {
  readonly clock = new SimulatedClock();
  readonly entropy: SeededEntropy;
  readonly primitives: SeededPrimitives;
  readonly network: SimulatedNetwork;
  readonly broker: SimulatedBroker;
  readonly #level: LevelWithSilent;
  readonly #octets = createHash("sha256");

  /** `level`: how much the processes log. */
  constructor(seed: number, level: LevelWithSilent = "info") {
    this.#level = level;
    this.entropy = new SeededEntropy(seed);
    this.primitives = new SeededPrimitives(this.entropy);
    this.network = new SimulatedNetwork(this.clock, this.entropy);
    this.broker = new SimulatedBroker(this.clock, this.entropy);
  }

  /** `role` is what the broker takes its client for; without one it may do everything, as the servers beside the broker may. */
  process(who: string, running: SimulatedProcess, role: Role | undefined): ProcessPlatform {
    const { clock, entropy, broker } = this;
    const sent = (topic: string, payload: Uint8Array): void => {
      this.#octets.update(payload);
      this.say(`${who} publishes ${payload.length} octets to ${topic}`);
    };
    return {
      clock: running.clock(clock),
      entropy,
      log: simulatedLog(who, this.#level, (line) => this.say(line)),
      buses: running.buses(broker, role, sent),
    };
  }

  say(line: string): void {
    this.network.log(line);
  }

  /** Every octet of these LANs counts in the log's last line. */
  digest(lans: Iterable<{ capture(spy: (packet: { readonly bytes: Uint8Array }) => void): unknown }>): void {
    for (const lan of lans) lan.capture(({ bytes }) => void this.#octets.update(bytes));
  }

  /** The whole run as text: the log, then a hash over every packet and every message. */
  text(): string {
    return `${this.network.text()}octets ${this.#octets.copy().digest("hex")}\n`;
  }
}
