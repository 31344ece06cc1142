// A LAN of the simulated network: it delays, loses, repeats and reorders by seed what its ends put on it.
import type { Duration } from "../../core/base/time.ts";
import { after, milliseconds } from "../../core/base/time.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import type { SimulatedClock } from "../clock/simulated.ts";
import { describe, type SimulatedPacket } from "./packet.ts";

/** What LANs and nodes share: one clock, one seed, one log, one source of MACs. */
export interface NetworkContext {
  readonly clock: SimulatedClock;
  readonly entropy: Entropy;
  /** One line with the simulated time in front. Bounded: beyond the limit lines are counted only. */
  log(line: string): void;
  /** A locally administered MAC that no other attachment of this network has. */
  nextMac(): Uint8Array;
}

/** What a LAN does to each copy of a packet; probabilities 0 to 1. */
export interface Faults {
  readonly delay: Duration;
  /** Added uniformly over [0, jitter). */
  readonly jitter: Duration;
  readonly loss: number;
  readonly duplicate: number;
  /** Share of copies held back by `reorderBy`, so that later ones overtake them. */
  readonly reorder: number;
  readonly reorderBy: Duration;
}

/** A LAN on which every packet arrives once, in order, after 0.2 ms. */
export const NO_FAULTS: Faults = {
  delay: milliseconds(0.2),
  jitter: milliseconds(0),
  loss: 0,
  duplicate: 0,
  reorder: 0,
  reorderBy: milliseconds(0),
};

/** One end on a LAN: an interface, or a port of a bridge. */
export interface Attachment {
  /** "node/port", for the log. */
  readonly label: string;
  readonly mac: Uint8Array;
  readonly up: boolean;
  receive(packet: SimulatedPacket, sourceMac: Uint8Array): void;
}

/** Packets in flight on one LAN; what exceeds it is lost and logged as "full". */
const IN_FLIGHT_LIMIT = 100_000;

/** Every end that is up gets its own copy of what another end puts on it. */
export class SimulatedLan {
  readonly name: string;
  readonly #network: NetworkContext;
  readonly #attached = new Set<Attachment>();
  readonly #spies = new Set<(packet: SimulatedPacket) => void>();
  #faults: Faults;
  #inFlight = 0;

  constructor(network: NetworkContext, name: string, faults: Faults) {
    this.name = name;
    this.#network = network;
    this.#faults = faults;
  }

  attach(end: Attachment): void {
    this.#attached.add(end);
  }

  detach(end: Attachment): void {
    this.#attached.delete(end);
  }

  setFaults(faults: Partial<Faults>): void {
    this.#faults = { ...this.#faults, ...faults };
  }

  /** Calls `spy` for every packet put on this LAN; returns the way to stop. */
  capture(spy: (packet: SimulatedPacket) => void): () => void {
    this.#spies.add(spy);
    return () => this.#spies.delete(spy);
  }

  /** Puts a packet on the LAN: every other end that is up gets its own copy, each with its own luck. */
  transmit(from: Attachment, packet: SimulatedPacket, sourceMac: Uint8Array): void {
    if (!from.up) return;
    for (const spy of this.#spies) spy(packet);
    this.#network.log(`${this.name} ${from.label} ${describe(packet)}`);
    for (const to of this.#attached) if (to !== from) this.#deliver(to, packet, sourceMac);
  }

  #deliver(to: Attachment, packet: SimulatedPacket, sourceMac: Uint8Array): void {
    const { loss, duplicate } = this.#faults;
    if (this.#lucky(loss)) {
      this.#network.log(`${this.name} lost to ${to.label} ${describe(packet)}`);
      return;
    }
    this.#fly(to, packet, sourceMac);
    if (this.#lucky(duplicate)) this.#fly(to, packet, sourceMac);
  }

  #fly(to: Attachment, packet: SimulatedPacket, sourceMac: Uint8Array): void {
    if (this.#inFlight >= IN_FLIGHT_LIMIT) {
      this.#network.log(`${this.name} full`);
      return;
    }
    this.#inFlight++;
    this.#network.clock.alarm(after(this.#network.clock.now(), this.#travel()), () => {
      this.#inFlight--;
      if (to.up && this.#attached.has(to)) to.receive({ ...packet, bytes: packet.bytes.slice() }, sourceMac);
    });
  }

  #travel(): Duration {
    const { delay, jitter, reorder, reorderBy } = this.#faults;
    const shaken = jitter > 0 ? this.#network.entropy.below(jitter) : 0;
    return milliseconds(delay + shaken + (this.#lucky(reorder) ? reorderBy : 0));
  }

  /** Draws only when there is something to decide, so that a clean LAN does not disturb the seed's sequence. */
  #lucky(probability: number): boolean {
    return probability > 0 && this.#network.entropy.below(1) < probability;
  }
}
