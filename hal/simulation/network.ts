// A simulated network on simulated time: where LANs and nodes are made, and the log of all that happens on them.
import type { Entropy } from "../../core/ports/entropy.ts";
import type { SimulatedClock } from "../clock/simulated.ts";
import { type Faults, type NetworkContext, NO_FAULTS, SimulatedLan } from "./lan.ts";
import { SimulatedNode } from "./node.ts";

const LOG_LIMIT = 200_000;

/** The same seed and the same calls give the same log. */
export class SimulatedNetwork implements NetworkContext {
  readonly clock: SimulatedClock;
  readonly entropy: Entropy;
  readonly #log: string[] = [];
  #unlogged = 0;
  #macs = 0;

  constructor(clock: SimulatedClock, entropy: Entropy) {
    this.clock = clock;
    this.entropy = entropy;
  }

  lan(name: string, faults: Partial<Faults> = {}): SimulatedLan {
    return new SimulatedLan(this, name, { ...NO_FAULTS, ...faults });
  }

  node(name: string): SimulatedNode {
    return new SimulatedNode(this, name);
  }

  nextMac(): Uint8Array {
    const n = ++this.#macs;
    return Uint8Array.of(2, 0, 0, n >>> 16, n >>> 8, n);
  }

  log(line: string): void {
    if (this.#log.length < LOG_LIMIT) this.#log.push(`${this.clock.now().toFixed(3)} ${line}`);
    else this.#unlogged++;
  }

  /** Everything that was logged; the same seed and the same scenario give the same text. */
  text(): string {
    const tail = this.#unlogged === 0 ? "" : `${this.#unlogged} more lines\n`;
    return `${this.#log.map((line) => `${line}\n`).join("")}${tail}`;
  }
}
