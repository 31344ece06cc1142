// Set-tops as the key server hears them: they zap, ask again, and repeat a stop until it is acknowledged.
import { toHex } from "../../../core/base/bytes.ts";
import type { Message } from "../../../core/control/messages.ts";
import type { Peer } from "../../../core/control/participant.ts";
import { peer } from "../../../core/control/servers.testkit.ts";
import type { Chance } from "./chance.testkit.ts";
import type { Invariants } from "./invariants.testkit.ts";
import { CHANNELS, type Channel, KEY_SERVER, type Letters } from "./letters.testkit.ts";

export class PlayedDevice {
  readonly peer: Peer;
  readonly #chance: Chance;
  readonly #letters: Letters;
  readonly #invariants: Invariants;
  /** What it watches now, by channel: 16 octets. */
  readonly #watching = new Map<Channel, Uint8Array>();
  /** Receptions that wait for the acknowledgement of their stop, by hexadecimal id. */
  readonly #stopping = new Map<string, { readonly channel: Channel; readonly reception: Uint8Array }>();

  /** Device `n` is "box<n>" with a key of octets n. */
  constructor(n: number, chance: Chance, letters: Letters, invariants: Invariants) {
    this.peer = peer("settop", `box${n}`, n);
    this.#chance = chance;
    this.#letters = letters;
    this.#invariants = invariants;
  }

  get unacknowledgedStops(): number {
    return this.#stopping.size;
  }

  act(): void {
    const roll = this.#chance.below(10);
    const waiting = [...this.#stopping.values()];
    if (waiting.length > 0 && (roll < 2 || this.#chance.calm)) {
      this.#sendStop(this.#chance.pick(waiting));
      return;
    }
    if (this.#chance.calm) return;
    const channel = this.#chance.pick(CHANNELS);
    const reception = this.#watching.get(channel);
    if (reception === undefined || roll > 8.5) this.#zap(channel);
    else if (roll < 7) this.#ask(channel, reception, "rekey");
    else this.#stop(channel, reception);
  }

  hear(message: Message): void {
    switch (message.type) {
      case "key.grant": {
        const reception = this.#watching.get(message.channel as Channel);
        this.#invariants.granted(this.peer.id, message, reception === undefined ? undefined : toHex(reception));
        return;
      }
      case "key.denied":
        if (message.reason === "reception.ended") this.#watching.delete(message.channel as Channel);
        return;
      case "stop.acknowledged":
        this.#stopping.delete(toHex(message.reception));
        this.#invariants.stopAcknowledged(toHex(message.reception));
        return;
      default:
    }
  }

  #zap(channel: Channel): void {
    const reception = this.#chance.bytes(16);
    this.#watching.set(channel, reception);
    this.#ask(channel, reception, "start");
  }

  #stop(channel: Channel, reception: Uint8Array): void {
    this.#watching.delete(channel);
    this.#stopping.set(toHex(reception), { channel, reception });
    this.#sendStop({ channel, reception });
  }

  #ask(channel: Channel, reception: Uint8Array, reason: "start" | "rekey"): void {
    this.#tell({ type: "key.request", id: this.#chance.bytes(16), channel, reception, reason });
  }

  #sendStop({ channel, reception }: { readonly channel: Channel; readonly reception: Uint8Array }): void {
    this.#tell({ type: "stop", id: this.#chance.bytes(16), channel, reception, cause: "stopped" });
  }

  #tell(message: Message): void {
    this.#letters.post({ from: this.peer, to: KEY_SERVER, message, asks: true });
  }
}
