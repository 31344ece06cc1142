// Demands for new keys: of the reception server after a right has ended, and of the operator.
import { toHex } from "../base/bytes.ts";
import type { Request } from "../control/mailbox.ts";
import type { MessageOf } from "../control/messages.ts";
import { Recent } from "../control/recent.ts";
import type { Channels } from "./channels.ts";
import type { KeyServerCounts } from "./counts.ts";
import type { KeyServerEffect } from "./events.ts";

const REMEMBERED_DEMANDS = 256;

type Effects = readonly KeyServerEffect[];

/**
 * A demand of the reception server: its newest copy, and the channels that do not have it on disk yet. None left:
 * acknowledged.
 */
interface Demand {
  readonly request: Request;
  readonly left: ReadonlySet<string>;
}

/** The latest 256 demands are remembered, so that a copy of one changes no key twice. */
export class RekeyDemands {
  readonly #channels: Channels;
  readonly #counts: KeyServerCounts;
  /** By the message's id. */
  readonly #demands = new Recent<string, Demand>(REMEMBERED_DEMANDS);

  constructor(channels: Channels, counts: KeyServerCounts) {
    this.#channels = channels;
    this.#counts = counts;
  }

  /** Acknowledged when every channel of it has it on disk; until then the reception server repeats it. */
  receive(request: Request, { id, channels }: MessageOf<"rekey.demand">): Effects {
    const before = this.#demands.get(toHex(id))?.left ?? new Set(channels);
    const opened = [...before].map((channel) => ({ channel, ...this.#open(channel, id) }));
    const left = new Set(opened.filter(({ onDisk }) => !onDisk).map(({ channel }) => channel));
    this.#demands.set(toHex(id), { request, left });
    return [...opened.flatMap(({ effects }) => effects), ...this.#acknowledged(id)];
  }

  /** A channel has the demand with this id on disk. */
  onDisk(id: Uint8Array, channel: string): Effects {
    const demand = this.#demands.get(toHex(id));
    if (demand === undefined) return [];
    const left = new Set([...demand.left].filter((other) => other !== channel));
    this.#demands.set(toHex(id), { ...demand, left });
    return this.#acknowledged(id);
  }

  /** The operator's. */
  rekey(channel: string): Effects {
    const keys = this.#channels.get(channel);
    if (keys === undefined) return this.#counts.drop("keys.channel-unknown");
    return this.#channels.applied(keys.demand(undefined));
  }

  /** A channel that is not known, and one that has such a demand on disk already, leave nothing to be done. */
  #open(channel: string, id: Uint8Array): { readonly onDisk: boolean; readonly effects: Effects } {
    const result = this.#channels.get(channel)?.demand(id) ?? [];
    return { onDisk: typeof result !== "string" && result.length === 0, effects: this.#channels.applied(result) };
  }

  #acknowledged(id: Uint8Array): Effects {
    const demand = this.#demands.get(toHex(id));
    if (demand === undefined || demand.left.size > 0) return [];
    return [this.#counts.answer(demand.request, { type: "rekey.demand.acknowledged", id })];
  }
}
