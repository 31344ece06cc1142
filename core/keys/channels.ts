// The channels of the key server, by name, and when the next of them has something to do.
import { earliest, type Instant } from "../base/time.ts";
import { ChannelKeys, type ChannelSurroundings } from "./channel.ts";
import type { KeyServerCounts } from "./counts.ts";
import type { KeptChannel } from "./epochs.ts";
import type { ChannelResult, KeyServerEffect, Then } from "./events.ts";

type Effects = readonly KeyServerEffect[];

/** One owner for all channels: what they answer is counted here, and one deadline stands for all of theirs. */
export class Channels {
  readonly #surroundings: ChannelSurroundings;
  readonly #counts: KeyServerCounts;
  readonly #limit: number;
  readonly #byName = new Map<string, ChannelKeys>();
  #touched = true;
  #due: Instant | undefined;

  /** `limit`: channels that may be known at once. `kept`: those on disk, however many. */
  constructor(surroundings: ChannelSurroundings, counts: KeyServerCounts, limit: number, kept: readonly KeptChannel[]) {
    this.#surroundings = surroundings;
    this.#counts = counts;
    this.#limit = limit;
    for (const channel of kept)
      this.#byName.set(channel.row.channel, new ChannelKeys(channel.row.channel, surroundings, channel));
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
    const keys = new ChannelKeys(channel, this.#surroundings);
    this.#byName.set(channel, keys);
    return keys;
  }

  /** Everything that may have changed a channel ends here; a drop is counted. */
  applied(result: ChannelResult): Effects {
    this.#touched = true;
    return typeof result === "string" ? this.#counts.drop(result) : result;
  }

  /** The channel's change is on disk: what follows from it. */
  committed(now: Instant, channel: string, then: Then): Effects {
    return this.applied(this.#byName.get(channel)?.committed(now, then) ?? []);
  }

  /** The channel's change could not be put on disk. */
  failed(now: Instant, channel: string, then: Then): Effects {
    this.#byName.get(channel)?.failed(now, then);
    return this.applied("keys.store");
  }

  /** The notices again, for a broker that may have lost them. */
  renotice(now: Instant): Effects {
    return [...this.#byName.values()].flatMap((keys) => keys.renotice(now));
  }

  poll(now: Instant): Effects {
    if (!isDue(this.nextDeadline(), now)) return [];
    return [...this.#byName.values()].flatMap((keys) =>
      isDue(keys.nextDeadline(), now) ? this.applied(keys.poll(now)) : [],
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
