// One history: both servers, a headend and devices, and a network and disks that do their worst.
import { SimulatedClock } from "../../../hal/clock/simulated.ts";
import { MemoryDisk } from "../../../hal/store/memory.ts";
import { Chance } from "./chance.testkit.ts";
import { PlayedDevice } from "./devices.testkit.ts";
import { PlayedHeadend } from "./headend.testkit.ts";
import { Invariants } from "./invariants.testkit.ts";
import { CHANNELS, type Letter, Letters } from "./letters.testkit.ts";
import { PlayedServers } from "./servers.testkit.ts";

/** So many devices keep their rights, so that something goes on. */
const NEVER_REVOKED = 4;

export class ServersWorld {
  readonly clock = new SimulatedClock();
  /** How often what happened: messages that arrived by type, "revoked", "key server died", "reception server died". */
  readonly happened: Record<string, number> = {};
  readonly #chance: Chance;
  readonly #letters: Letters;
  readonly #invariants: Invariants;
  readonly #servers: PlayedServers;
  readonly #headend: PlayedHeadend;
  readonly #devices: readonly PlayedDevice[];

  /** `receptionDisk` has `devices` registered: "box1" with a key of octets 1, and so on. */
  constructor(seed: number, receptionDisk: MemoryDisk, devices: number) {
    const chance = new Chance(seed);
    const letters = new Letters(chance);
    const keyDisk = new MemoryDisk();
    const invariants = new Invariants(keyDisk, receptionDisk);
    const note = (what: string) => this.#note(what);
    const { clock } = this;
    [this.#chance, this.#letters, this.#invariants] = [chance, letters, invariants];
    this.#servers = new PlayedServers({ clock, chance, letters, invariants, keyDisk, receptionDisk, note });
    this.#headend = new PlayedHeadend(chance, letters, invariants);
    this.#devices = Array.from({ length: devices }, (_, i) => new PlayedDevice(i + 1, chance, letters, invariants));
  }

  /** One thing happens: a letter arrives, somebody acts, a disk works, time passes or a server dies. */
  step(): void {
    this.#invariants.step();
    const roll = this.#chance.below(100);
    if (roll < 40) this.#deliver();
    else if (roll < 55) this.#servers.commitKeys();
    else if (roll < 70) this.#servers.commitReception();
    else if (roll < 82) this.#chance.pick(this.#devices).act();
    else if (roll < 92) this.#headend.act(this.#chance.pick(CHANNELS));
    else if (roll < 99 || this.#chance.calm) this.#servers.pass(this.#chance.below(160));
    else this.#disturb();
  }

  /** From here on nothing dies or is lost, and nobody starts anything new. */
  settle(steps: number): void {
    this.#chance.calm = true;
    for (let i = 0; i < steps; i++) this.step();
  }

  /** Throws what does not hold. */
  check(): void {
    this.#invariants.check();
  }

  get unacknowledgedStops(): number {
    return this.#devices.reduce((sum, { unacknowledgedStops }) => sum + unacknowledgedStops, 0);
  }

  get openDemands(): number {
    return this.#servers.openDemands;
  }

  #note(what: string): void {
    this.happened[what] = (this.happened[what] ?? 0) + 1;
  }

  #deliver(): void {
    const letter = this.#letters.next();
    if (letter === undefined) return;
    this.#note(letter.message.type);
    this.#arrive(letter);
  }

  #arrive(letter: Letter): void {
    const { to, message } = letter;
    if (to.role === "headend") this.#headend.hear(message);
    else if (to.role === "settop") this.#devices.find(({ peer }) => peer.id === to.id)?.hear(message);
    else this.#servers.hear(letter);
  }

  #disturb(): void {
    const roll = this.#chance.below(10);
    if (roll < 2) this.#servers.restartKeys();
    else if (roll < 4) this.#servers.restartReception();
    else if (roll < 4.5) this.#servers.pass(20_000);
    else if (roll < 8) this.#revoke(this.#chance.pick(this.#devices).peer.id);
    else this.#servers.rekey(this.#chance.pick(CHANNELS));
  }

  #revoke(device: string): void {
    const active = this.#devices.filter(({ peer }) => !this.#invariants.isRevoked(peer.id));
    if (!this.#invariants.isRevoked(device) && active.length > NEVER_REVOKED) this.#servers.revoke(device);
  }
}
