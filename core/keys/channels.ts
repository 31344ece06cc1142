// The channels of the key server: the keys of each, its changes on their way to disk, and when the next has something to do.
import { earliest, type Instant } from "../base/time.ts";
import type { ChannelResult } from "./channel-effects.ts";
import { ChannelKeys, type ChannelPowers } from "./channel-keys.ts";
import type { KeyServerEffect } from "./events.ts";
import type { KeptChannel } from "./kept-channel.ts";
import type { Tally } from "./tally.ts";

type Effects = readonly KeyServerEffect[];

export class Channels {
  readonly #powers: ChannelPowers;
  readonly #tally: Tally;
  readonly #limit: number;
  readonly #byName = new Map<string, ChannelKeys>();
  /** The channel that each token's commit belongs to. */
  readonly #commits = new Map<number, ChannelKeys>();
  #token = 0;
  #touched = true;
  #due: Instant | undefined;

  constructor(powers: ChannelPowers, tally: Tally, limit: number, kept: readonly KeptChannel[]) {
    this.#powers = powers;
    this.#tally = tally;
    this.#limit = limit;
    for (const channel of kept) this.#byName.set(channel.row.channel, new ChannelKeys(powers, channel));
  }

  get size(): number {
    return this.#byName.size;
  }

  get(channel: string): ChannelKeys | undefined {
    return this.#byName.get(channel);
  }

  /** The channel, begun if it is new; undefined when there are too many. */
  getOrBegin(channel: string): ChannelKeys | undefined {
    const known = this.#byName.get(channel);
    if (known !== undefined || this.#byName.size >= this.#limit) return known;
    const keys = new ChannelKeys(this.#powers);
    this.#byName.set(channel, keys);
    return keys;
  }

  /** Everything that changes a channel ends here. */
  applied(keys: ChannelKeys, result: ChannelResult): Effects {
    this.#touched = true;
    if (typeof result === "string") return this.#tally.drop(result);
    return result.map((effect): KeyServerEffect => {
      if (effect.kind !== "commit") return effect;
      this.#token += 1;
      this.#commits.set(this.#token, keys);
      return { ...effect, token: this.#token };
    });
  }

  /** What became of a commit. */
  settled(now: Instant, token: number, outcome: "committed" | "failed"): Effects {
    const keys = this.#commits.get(token);
    this.#commits.delete(token);
    if (keys === undefined) return [];
    if (outcome === "committed") return this.applied(keys, keys.committed(now));
    keys.failed(now);
    return this.applied(keys, "keys.store");
  }

  /** The notices again, for a broker that may have lost them. */
  renotice(now: Instant): Effects {
    return [...this.#byName.values()].flatMap((keys) => this.applied(keys, keys.renotice(now)));
  }

  poll(now: Instant): Effects {
    if (!isDue(this.nextDeadline(), now)) return [];
    return [...this.#byName.values()].flatMap((keys) =>
      isDue(keys.nextDeadline(), now) ? this.applied(keys, keys.poll(now)) : [],
    );
  }

  /** Looked up once for many key requests, which change no channel. */
  nextDeadline(): Instant | undefined {
    if (this.#touched) {
      this.#due = earliest([...this.#byName.values()].map((keys) => keys.nextDeadline()));
      this.#touched = false;
    }
    return this.#due;
  }
}

const isDue = (due: Instant | undefined, now: Instant): boolean => due !== undefined && due <= now;
