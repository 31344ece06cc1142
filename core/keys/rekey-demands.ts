// Demands for new keys: of the reception server after a right has ended, and of the operator.
import { toHex } from "../base/bytes.ts";
import type { Request } from "../control/link.ts";
import type { MessageOf } from "../control/messages.ts";
import { Recent } from "../control/recent.ts";
import type { ChannelEffect } from "./channel-effects.ts";
import type { Channels } from "./channels.ts";
import type { KeyServerEffect } from "./events.ts";
import type { Tally } from "./tally.ts";

const REMEMBERED_DEMANDS = 256;

type Effects = readonly KeyServerEffect[];

export class RekeyDemands {
  readonly #channels: Channels;
  readonly #tally: Tally;
  readonly #onDisk = new Recent<string, true>(REMEMBERED_DEMANDS);

  constructor(channels: Channels, tally: Tally) {
    this.#channels = channels;
    this.#tally = tally;
  }

  /** Acknowledged when every channel of it has it on disk; until then the reception server repeats it. */
  receive(request: Request, { id, channels }: MessageOf<"rekey.demand">): Effects {
    const acknowledge = (): Effects => {
      this.#onDisk.set(toHex(id), true);
      return [this.#tally.answer(request, { type: "rekey.demand.acknowledged", id })];
    };
    if (this.#onDisk.get(toHex(id)) === true) return acknowledge();
    let left = channels.length;
    const done = (): readonly ChannelEffect[] => (--left === 0 ? (acknowledge() as readonly ChannelEffect[]) : []);
    return channels.flatMap((channel): Effects => {
      const keys = this.#channels.get(channel);
      return keys === undefined ? (done() as Effects) : this.#channels.applied(keys, keys.demand(done));
    });
  }

  /** The operator's. */
  rekey(channel: string): Effects {
    const keys = this.#channels.get(channel);
    if (keys === undefined) return this.#tally.drop("keys.channel-unknown");
    return this.#channels.applied(
      keys,
      keys.demand(() => []),
    );
  }
}
