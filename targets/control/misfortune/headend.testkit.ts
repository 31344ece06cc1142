// A headend as the key server hears it: it proposes epochs for channel one, and takes those offered for channel two.
import assert from "node:assert/strict";
import { sameBytes, toHex } from "../../../core/base/bytes.ts";
import type { ChannelParameters, Message, MessageOf } from "../../../core/control/messages.ts";
import type { Chance } from "./chance.testkit.ts";
import type { Invariants } from "./invariants.testkit.ts";
import { type Channel, HEADEND, KEY_SERVER, type Letters } from "./letters.testkit.ts";

export class PlayedHeadend {
  readonly #chance: Chance;
  readonly #letters: Letters;
  readonly #invariants: Invariants;
  /** Of channel one, until it is accepted or refused. */
  #proposal: MessageOf<"epoch.proposal"> | undefined;
  /** The last number given to an epoch of channel one. */
  #lastProposed = 0;
  readonly #answered = new Set<string>();
  readonly #current = new Map<Channel, number>();

  constructor(chance: Chance, letters: Letters, invariants: Invariants) {
    this.#chance = chance;
    this.#letters = letters;
    this.#invariants = invariants;
  }

  act(channel: Channel): void {
    const current = this.#current.get(channel);
    if (current !== undefined && this.#chance.below(3) < 1) {
      const where = { ssrc: 7, roc: 1, seq: 2, current, endsIn: 0 };
      this.#tell({ type: "stream.report", id: this.#chance.bytes(16), channel, ...where });
    } else if (channel === "one") this.#propose();
    else if (current === undefined || (!this.#chance.calm && this.#chance.below(20) < 1)) this.#want(current);
  }

  hear(message: Message): void {
    switch (message.type) {
      case "epoch.accepted":
        this.#accepted(message);
        return;
      case "epoch.refused":
        this.#lastProposed = Math.max(this.#lastProposed, message.last);
        if (this.#isProposed(message)) this.#proposal = undefined;
        return;
      case "epoch.demand":
        if (this.#answered.has(toHex(message.id))) return;
        this.#answered.add(toHex(message.id));
        this.#proposal = undefined;
        this.#propose(message.id);
        return;
      case "epoch.offer":
        this.#invariants.sameKey(message.channel, message.key);
        this.#current.set("two", Math.max(this.#current.get("two") ?? 0, message.key.epoch));
        this.#tell({ type: "epoch.taken", id: message.id, channel: "two", epoch: message.key.epoch });
        return;
      default:
        assert.fail(`a headend hears no ${message.type}`);
    }
  }

  #accepted({ id, epoch }: MessageOf<"epoch.accepted">): void {
    if (this.#proposal?.key.epoch !== epoch || !this.#isProposed({ id })) return;
    this.#invariants.acceptedIsOnDisk("one", epoch);
    this.#invariants.sameKey("one", this.#proposal.key);
    this.#proposal = undefined;
    this.#current.set("one", epoch);
  }

  #isProposed({ id }: { readonly id: Uint8Array }): boolean {
    return this.#proposal !== undefined && sameBytes(this.#proposal.id, id);
  }

  #propose(id = this.#chance.bytes(16)): void {
    if (this.#proposal === undefined) {
      this.#lastProposed += 1;
      const epoch = this.#lastProposed;
      const key = { epoch, masterKey: this.#chance.bytes(16), masterSalt: this.#chance.bytes(12) };
      this.#proposal = { type: "epoch.proposal", id, parameters: parameters("one"), key, switchIn: 1_000 };
    }
    this.#tell(this.#proposal);
  }

  #want(last: number | undefined): void {
    const known = last === undefined ? {} : { last };
    this.#tell({ type: "epoch.wanted", id: this.#chance.bytes(16), parameters: parameters("two"), ...known });
  }

  #tell(message: Message): void {
    this.#letters.post({ from: HEADEND, to: KEY_SERVER, message, asks: true });
  }
}

function parameters(channel: Channel): ChannelParameters {
  const stream = { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 7, payloadType: 33 } as const;
  return { channel, group: 0xefff4d01, port: 5004, stream, interval: 4_000, overlap: 2_000, window: 500 };
}
