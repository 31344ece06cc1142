// The running set-top: applies the machine's effects to socket, keys, journal and broker.

import { after, milliseconds } from "../../core/base/time.ts";
import { brokerStanding } from "../../core/control/broker-standing.ts";
import type { Peer } from "../../core/control/participant.ts";
import type { Ciphers } from "../../core/ports/cipher.ts";
import type { Datagrams } from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Journal, JournalEntry } from "../../core/ports/journal.ts";
import type { Output } from "../../core/ports/output.ts";
import type { Channel, Note, Refusal, SettopEffect, SettopEvent } from "../../core/settop/events.ts";
import { type Dark, whyNoPicture } from "../../core/settop/no-picture.ts";
import type { PlayoutStatus } from "../../core/settop/playout.ts";
import { Settop } from "../../core/settop/settop.ts";
import type { ViewingStatus } from "../../core/settop/status.ts";
import type { OutputChoice } from "../../hal/output/open.ts";
import { brokerStatus } from "../shared/broker-words.ts";
import { interfaceOf } from "../shared/config.ts";
import { type BusEvent, type ClientPlatform, MachineOnBus } from "../shared/machine-on-bus.ts";
import { type ChannelConfig, choiceOf, outputName, outputOf, type SettopConfig } from "./config.ts";
import { Screen } from "./screen.ts";

/** Everything the set-top needs of the machine it runs on. */
export interface SettopPlatform extends ClientPlatform {
  readonly datagrams: Datagrams;
  readonly ciphers: Ciphers;
  readonly journal: Journal;
  openOutput(choice: OutputChoice): Promise<Output>;
}

/** One tuned channel as `status` shows it. */
export interface TunedChannelStatus extends PlayoutStatus {
  readonly channel: string;
  readonly viewing: ViewingStatus;
  /** Why there is no picture; absent when there is one. */
  readonly dark: Dark | undefined;
  /** Held, rising: as in `viewing`. */
  readonly epochs: readonly number[];
}

/** How long `stop` waits for the acknowledgements (86); what is not acknowledged stays in the journal. */
const FAREWELL = milliseconds(1200);

const REFUSALS: Readonly<Record<Refusal, string>> = {
  "settop.unknown-channel": "there is no such channel in the configuration",
  "settop.already-tuned": "this channel is being received already",
  "settop.not-tuned": "this channel is not being received",
  "settop.too-many-channels": "too many channels at once (see `most`)",
  "settop.quitting": "this set-top is about to end",
};

/** What the log says of a note; `text` is what the machine knows of it. */
const NOTES: Readonly<Record<Note, (text: string) => string>> = {
  granted: (epoch) => `the key of epoch ${epoch} is granted`,
  denied: (reason) => `the key is refused: ${reason}`,
  busy: (reason) => `the key server is busy: ${reason}`,
  "reception-ended": (what) => `the server has ended the reception: ${what}`,
  stopped: (reception) => `reception ${reception} is stopped here`,
  acknowledged: (reception) => `the stop of reception ${reception} is acknowledged`,
  "join-failed": (why) => `the group cannot be joined: ${why}`,
};

/** Runs until `stop`, which leaves the groups and sends the stops. */
export class SettopService {
  readonly #platform: SettopPlatform;
  readonly #keyServer: Peer;
  readonly #settop: Settop;
  readonly #onBus: MachineOnBus<SettopEvent, SettopEffect>;
  readonly #screens = new Map<string, Screen>();
  /** By name, open for as long as the configuration has them, so that a player keeps its stream across a zap. */
  readonly #outputs = new Map<string, Output>();
  /** By channel that is received, the name of its output: a reload may have given it another for the next time. */
  readonly #shown = new Map<string, string>();
  #config: SettopConfig;
  #journalFault: string | undefined;
  /** What the last command was refused for. */
  #refusal: Refusal | undefined;
  #finished: (() => void) | undefined;

  /** Opens the outputs, sends the stops that a power cut left behind, and tunes in. Rejects with HalError. */
  static async start(config: SettopConfig, platform: SettopPlatform): Promise<SettopService> {
    const service = new SettopService(config, platform);
    await service.#openOutputs(config);
    service.#onBus.start();
    for (const channel of config.tune) service.#onBus.feed({ kind: "tune", channel });
    return service;
  }

  private constructor(config: SettopConfig, platform: SettopPlatform) {
    this.#config = config;
    this.#platform = platform;
    const { id, publicKey } = config.keyServer;
    this.#keyServer = { role: "keyserver", id, publicKey };
    const { clock, entropy } = platform;
    const { most, overlap, linger } = config;
    const options = { device: config.id, channels: channelsOf(config), most, overlap, linger };
    this.#settop = new Settop(options, entropy, clock, this.#recall(), clock.now());
    const participant = {
      role: "settop",
      id: config.id,
      keys: platform.keys,
      peers: [this.#keyServer],
      noticeKey: { verify: config.keyServer.noticeKey },
    } as const;
    this.#onBus = new MachineOnBus(participant, platform, this.#settop, heard, (effect) => this.#apply(effect));
  }

  status(): object {
    const status = this.#settop.status(this.#platform.clock.now());
    return {
      ...brokerStatus(this.#onBus.bus),
      channels: status.viewings.map((viewing) => this.#tunedStatus(viewing)),
      pendingStops: status.pendingStops,
      journal: this.#journalFault ?? "sound",
      messages: this.#onBus.bus.messages(),
      drops: { ...status.drops, ...this.#onBus.bus.drops.snapshot() },
    };
  }

  /** Why it was not done, in words; undefined when it was. */
  tune(channel: string): string | undefined {
    return this.#taken(channel, () => true) ?? this.#command({ kind: "tune", channel });
  }

  zap(channel: string, from: string | undefined): string | undefined {
    const stays = (other: string): boolean => from !== undefined && other !== from;
    const event: SettopEvent = from === undefined ? { kind: "zap", channel } : { kind: "zap", channel, from };
    return this.#taken(channel, stays) ?? this.#command(event);
  }

  /** Without `channel`, everything. */
  stopViewing(channel: string | undefined): string | undefined {
    const channels = channel === undefined ? [...this.#screens.keys()] : [channel];
    for (const id of channels) {
      const refusal = this.#command({ kind: "stop", channel: id });
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /**
   * Channels and outputs; viewings of channels that stay go on, to the output that they have, and channels that are new in `tune` begin.
   * Rejects with HalError when an output cannot be opened.
   */
  async reload(config: SettopConfig): Promise<void> {
    const before = this.#config;
    await this.#openOutputs(config);
    this.#config = config;
    if (rootsOf(before) !== rootsOf(config))
      this.#platform.log.warn("id, identity, broker, keyServer and journal change only by a restart");
    this.#onBus.feed({ kind: "channels", channels: channelsOf(config) });
    await this.#closeOutputs(config);
    for (const channel of config.tune) {
      const refusal = before.tune.includes(channel) ? undefined : this.tune(channel);
      if (refusal !== undefined) this.#platform.log.warn({ channel }, refusal);
    }
  }

  /** Leaves all groups, sends the stops and waits a moment for their acknowledgement; outputs get what is queued. */
  async stop(): Promise<void> {
    const finished = new Promise<void>((resolve) => {
      this.#finished = resolve;
      if (this.#onBus.bus.connected) this.#platform.clock.alarm(after(this.#platform.clock.now(), FAREWELL), resolve);
    });
    this.#onBus.feed({ kind: "quit" });
    const outputs = Promise.all([...this.#outputs.values()].map((output) => output.close()));
    if (this.#onBus.bus.connected) await finished;
    await Promise.all([outputs, this.#onBus.stop()]);
  }

  #command(event: SettopEvent): string | undefined {
    this.#refusal = undefined;
    this.#onBus.feed(event);
    return this.#refusal === undefined ? undefined : REFUSALS[this.#refusal];
  }

  /** Two streams in one output would be of no use to anybody. */
  #taken(channel: string, stays: (other: string) => boolean): string | undefined {
    const wanted = this.#outputNameOf(channel);
    if (wanted === undefined || wanted === "null") return undefined;
    for (const [other, name] of this.#shown)
      if (other !== channel && stays(other) && name === wanted)
        return `the output ${wanted} is in use by ${other}: stop it first, or zap`;
    return undefined;
  }

  #outputNameOf(id: string): string | undefined {
    const channel = this.#channel(id);
    return channel === undefined ? undefined : outputName(outputOf(this.#config, channel));
  }

  #channel(id: string): ChannelConfig | undefined {
    return this.#config.channels.find((channel) => channel.id === id);
  }

  #recall(): readonly JournalEntry[] {
    const { entries, fault } = this.#platform.journal.load();
    if (fault !== undefined) this.#journalFailed(fault);
    if (entries.length > 0) this.#platform.log.info({ receptions: entries.length }, "stopping what a power cut ended");
    return entries;
  }

  async #openOutputs(config: SettopConfig): Promise<void> {
    for (const channel of config.channels) {
      const choice = outputOf(config, channel);
      const name = outputName(choice);
      if (!this.#outputs.has(name)) this.#outputs.set(name, await this.#platform.openOutput(choiceOf(choice)));
    }
  }

  /** Those that no channel has any more. */
  async #closeOutputs(config: SettopConfig): Promise<void> {
    const used = new Set(config.channels.map((channel) => outputName(outputOf(config, channel))));
    for (const name of this.#shown.values()) used.add(name);
    const unused = [...this.#outputs].filter(([name]) => !used.has(name));
    for (const [name] of unused) this.#outputs.delete(name);
    await Promise.all(unused.map(([, output]) => output.close()));
  }

  #apply(effect: SettopEffect): void {
    switch (effect.kind) {
      case "watch":
        this.#begin(effect.channel);
        return;
      case "unwatch":
        this.#end(effect.channel);
        return;
      case "send":
        this.#onBus.bus.say({ kind: "send", to: this.#keyServer, message: effect.message });
        return;
      case "remember":
        this.#remember(effect.entries);
        return;
      case "note":
        this.#platform.log.info({ channel: effect.channel, note: effect.note }, NOTES[effect.note](effect.text));
        return;
      case "refused":
        this.#refusal = effect.refusal;
        return;
      case "finished":
        this.#finished?.();
        return;
      case "join":
      case "leave":
        this.#screens.get(effect.channel.id)?.apply(effect);
        return;
      case "receive":
      case "receive-unmanaged":
      case "install":
      case "retire":
      case "position":
      case "silence":
        this.#screens.get(effect.channel)?.apply(effect);
        return;
    }
  }

  #begin(id: string): void {
    const channel = this.#channel(id);
    if (channel === undefined) return;
    const name = outputName(outputOf(this.#config, channel));
    const output = this.#outputs.get(name);
    if (output === undefined) throw new RangeError(`no output for ${id}`);
    this.#shown.set(id, name);
    const { datagrams, clock, ciphers, primitives } = this.#platform;
    const { receiveBuffer, reorder, authentication } = this.#config;
    const interfaceAddress = interfaceOf(this.#config);
    const packets = { datagrams, clock, ciphers, primitives };
    const options = { ...packets, interfaceAddress, receiveBuffer, authentication, ...reorder };
    this.#screens.set(id, new Screen(options, toChannel(channel), output, (event) => this.#onBus.feed(event)));
    if (channel.unmanaged !== undefined) return;
    this.#onBus.bus.watch(id).catch((error: unknown) => {
      this.#platform.log.warn(
        { err: error, channel: id },
        "no notices for this channel: keys are renewed when they run out",
      );
    });
  }

  #end(id: string): void {
    this.#screens.get(id)?.close();
    this.#screens.delete(id);
    this.#shown.delete(id);
    this.#onBus.bus.unwatch(id);
  }

  /** A journal that cannot be written is said aloud; the viewing goes on, and its stop is sent while we live. */
  #remember(entries: readonly JournalEntry[]): void {
    try {
      this.#platform.journal.save(entries);
      this.#journalFault = undefined;
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      this.#journalFailed(error);
    }
  }

  #journalFailed(error: HalError): void {
    this.#journalFault = `${error.code}: ${error.message}`;
    this.#platform.log.warn({ code: error.code, alternative: error.alternative }, error.message);
  }

  #tunedStatus(viewing: ViewingStatus): TunedChannelStatus | ViewingStatus {
    const stream = this.#screens.get(viewing.channel)?.status();
    if (stream === undefined) return viewing;
    const { channel, epochs } = viewing;
    return {
      channel,
      viewing,
      dark: whyNoPicture(brokerStanding(this.#onBus.bus), viewing, stream),
      ...stream,
      epochs,
    };
  }
}

function heard(event: BusEvent): SettopEvent {
  switch (event.kind) {
    case "message":
      return { kind: "answer", message: event.received.message };
    case "notice":
      return event;
    case "broker":
      return { kind: "broker", up: event.up };
  }
}

/** What is fixed while the process runs. */
const rootsOf = ({ id, identity, broker, keyServer, journal }: SettopConfig): string =>
  JSON.stringify([id, identity, broker, keyServer.id, [...keyServer.publicKey], [...keyServer.noticeKey], journal]);

const channelsOf = (config: SettopConfig): readonly Channel[] => config.channels.map(toChannel);

const toChannel = ({ id, group, port, source, unmanaged }: ChannelConfig): Channel => ({
  id,
  group,
  port,
  ...(source === undefined ? {} : { source }),
  ...(unmanaged === undefined ? {} : { unmanaged }),
});
