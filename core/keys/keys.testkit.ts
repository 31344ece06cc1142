// For the tests of the key server: its peers, what they say, and a bench that carries out its commits.
import assert from "node:assert/strict";
import type { ChannelParameters, Message, MessageOf } from "../control/messages.ts";
import { bytes, CALENDAR, CountingEntropy, peer, ServerBench } from "../control/servers.testkit.ts";
import type { Decision, Write } from "../ports/store.ts";
import type { EpochRow, KeyChannelRow } from "../ports/tables.ts";
import { type KeptChannel, keptChannels } from "./epochs.ts";
import type { HeadendRight, KeyServerEffect, KeyServerEvent } from "./events.ts";
import { KEY_SERVER_LIMITS, KeyServer, type KeyServerLimits } from "./server.ts";

export const RECEPTION = peer("reception", "rs", 1);
export const HEADEND = peer("headend", "he", 2);
export const BOX = peer("settop", "box", 3);

export const parameters = (channel = "one", interval = 10_000): ChannelParameters => ({
  channel,
  group: 0xefff4d01,
  port: 5004,
  stream: { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 7, payloadType: 33 },
  interval,
  overlap: 2_000,
  window: 1_000,
});

export const proposal = (
  epoch: number,
  more: Partial<MessageOf<"epoch.proposal">> = {},
): MessageOf<"epoch.proposal"> => ({
  type: "epoch.proposal",
  id: bytes(epoch),
  parameters: parameters(),
  key: { epoch, masterKey: bytes(epoch), masterSalt: bytes(epoch, 12) },
  switchIn: 1_000,
  ...more,
});

export const keyRequest = (id: number, channel = "one", reception = 9): MessageOf<"key.request"> => ({
  type: "key.request",
  id: bytes(id),
  channel,
  reception: bytes(reception),
  reason: "start",
});

export const stop: MessageOf<"stop"> = {
  type: "stop",
  id: bytes(50),
  channel: "one",
  reception: bytes(9),
  cause: "stopped",
};

/** Claim 7. Without `last` the headend has just started. */
export const wanted = (id: number, more: Partial<MessageOf<"epoch.wanted">> = {}): MessageOf<"epoch.wanted"> => ({
  type: "epoch.wanted",
  id: bytes(id),
  parameters: parameters(),
  ...more,
});

export const taken = (id: number, epoch: number): MessageOf<"epoch.taken"> => ({
  type: "epoch.taken",
  id: bytes(id),
  channel: "one",
  epoch,
});

export const report = (id: number, current: number, roc = 0, seq = 0): MessageOf<"stream.report"> => ({
  type: "stream.report",
  id: bytes(id),
  channel: "one",
  ssrc: 7,
  roc,
  seq,
  current,
  endsIn: 0,
});

export const rekeyDemand = (id: number, channels: readonly string[] = ["one"]): MessageOf<"rekey.demand"> => ({
  type: "rekey.demand",
  id: bytes(id),
  channels: [...channels],
  reason: "revoked",
});

/** The two tables of the key server. Like a disk it keeps copies. */
class Disk {
  readonly #channels = new Map<string, KeyChannelRow>();
  readonly #epochs = new Map<string, EpochRow>();

  constructor(kept: readonly KeptChannel[]) {
    for (const { row, epochs } of kept) {
      this.#channels.set(row.channel, row);
      for (const epoch of epochs) this.#epochs.set(epochName(epoch), structuredClone(epoch));
    }
  }

  write(decision: Decision<void>): void {
    const step = decision().next();
    assert.ok(step.done === true, "asks for no rows");
    for (const write of step.value.writes) this.#apply(write);
  }

  kept(): readonly KeptChannel[] {
    return keptChannels([...this.#channels.values()], structuredClone([...this.#epochs.values()]));
  }

  #apply(write: Write): void {
    if ("delete" in write) this.#epochs.delete(epochName(write.key as EpochRow));
    else if (write.put === "epoch") this.#epochs.set(epochName(write.row), structuredClone(write.row));
    else this.#channels.set((write.row as KeyChannelRow).channel, write.row as KeyChannelRow);
  }
}

const epochName = ({ channel, epoch }: EpochRow): string => `${channel} ${epoch}`;

export class Bench extends ServerBench<KeyServerEvent, KeyServerEffect, KeyServerEffect> {
  readonly server: KeyServer;
  readonly #disk: Disk;
  #commits: (KeyServerEffect & { kind: "commit" })[] = [];
  /** Carry out commits at once. */
  prompt = true;
  /** What the headend may serve; undefined takes its right away. */
  right: HeadendRight | undefined = { publicKey: HEADEND.publicKey };

  constructor(limits: KeyServerLimits = KEY_SERVER_LIMITS, kept: readonly KeptChannel[] = []) {
    super();
    const peers = { reception: RECEPTION, headend: (id: string) => (id === HEADEND.id ? this.right : undefined) };
    this.#disk = new Disk(kept);
    this.server = new KeyServer(peers, CALENDAR, new CountingEntropy(), kept, limits);
  }

  settle(kind: "committed" | "failed"): KeyServerEffect[] {
    return this.#commits.splice(0).flatMap(({ channel, then, decision }) => {
      if (kind === "committed") this.#disk.write(decision);
      return this.feed({ kind, channel, then });
    });
  }

  /** Another life of the server, with what is on disk now, at the same moment. */
  restarted(): Bench {
    const next = new Bench(KEY_SERVER_LIMITS, this.#disk.kept());
    next.now = this.now;
    return next;
  }

  /** What is on disk of channel "one". */
  onDisk(): KeptChannel | undefined {
    return this.#disk.kept().find(({ row }) => row.channel === "one");
  }

  permit(inquiry: Message): KeyServerEffect[] {
    return this.answer(RECEPTION, { type: "permission", id: inquiry.id });
  }

  /** What a device is granted now. */
  grant(id: number): MessageOf<"key.grant"> {
    const grant = only(this.permit(only(this.hear(BOX, keyRequest(id)))));
    assert.ok(grant.type === "key.grant");
    return grant;
  }

  /** The numbers of the epochs that a device is granted now. */
  granted(id: number): number[] {
    return this.grant(id).epochs.map(({ epoch }) => epoch);
  }

  drops(): Record<string, number> {
    return this.server.status().drops;
  }

  protected override seen(effects: readonly KeyServerEffect[]): KeyServerEffect[] {
    return effects.flatMap((effect) => {
      if (effect.kind !== "commit") return [effect];
      this.#commits.push(effect);
      return this.prompt ? this.settle("committed") : [effect];
    });
  }
}

/** What is said, in order. */
export const messages = (effects: readonly KeyServerEffect[]): Message[] =>
  effects.flatMap((effect) => ("message" in effect ? [effect.message] : []));

/** The one message that is said. */
export const only = (effects: readonly KeyServerEffect[]): Message => {
  const [first, ...rest] = messages(effects);
  assert.ok(first !== undefined && rest.length === 0, "one message");
  return first;
};

/** Message types, "notice" and "commit", in order. */
export const types = (effects: readonly KeyServerEffect[]): string[] =>
  effects.map((effect) => ("message" in effect ? effect.message.type : effect.kind));
