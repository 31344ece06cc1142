// The running set-top: applies the machine's effects to socket, keys, journal and broker.

import { Runner } from "../../core/base/runner.ts";
import { after, milliseconds } from "../../core/base/time.ts";
import { Endpoint } from "../../core/control/endpoint.ts";
import { Link } from "../../core/control/link.ts";
import type { Peer } from "../../core/control/participant.ts";
import type { BusConnector } from "../../core/ports/bus.ts";
import type { Ciphers } from "../../core/ports/cipher.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Datagrams } from "../../core/ports/datagrams.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Journal, JournalEntry } from "../../core/ports/journal.ts";
import type { Output } from "../../core/ports/output.ts";
import type { KeyPair, Primitives } from "../../core/ports/primitives.ts";
import type { Channel, Note, Refusal, SettopEffect, SettopEvent } from "../../core/settop/events.ts";
import { type Dark, whyNoPicture } from "../../core/settop/no-picture.ts";
import type { PlayoutStatus } from "../../core/settop/playout.ts";
import { Settop } from "../../core/settop/settop.ts";
import type { ViewingStatus } from "../../core/settop/status.ts";
import type { OutputChoice } from "../../hal/output/open.ts";
import type { Logger } from "../shared/log.ts";
import { type ChannelConfig, outputName, outputOf, type SettopConfig } from "./config.ts";
import { Screen } from "./screen.ts";

/** Everything the set-top needs of the machine it runs on. */
export interface SettopPowers {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly datagrams: Datagrams;
  readonly ciphers: Ciphers;
  readonly primitives: Primitives;
  readonly buses: BusConnector;
  readonly journal: Journal;
  /** X25519. */
  readonly keys: KeyPair;
  readonly log: Logger;
  openOutput(choice: OutputChoice): Promise<Output>;
}

export interface ChannelStatus extends PlayoutStatus {
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

export class SettopService {
  readonly #powers: SettopPowers;
  readonly #keyServer: Peer;
  readonly #settop: Settop;
  readonly #runner: Runner<SettopEvent, SettopEffect>;
  readonly #endpoint: Endpoint;
  readonly #screens = new Map<string, Screen>();
  /** By name, open from start to end, so that a player keeps its stream across a zap. */
  readonly #outputs = new Map<string, Output>();
  #config: SettopConfig;
  #journalFault: string | undefined;
  /** What the last command was refused for. */
  #refusal: Refusal | undefined;
  #finished: (() => void) | undefined;

  /** Opens the outputs, sends the stops that a power cut left behind, and tunes in. Rejects with HalError. */
  static async start(config: SettopConfig, powers: SettopPowers): Promise<SettopService> {
    const service = new SettopService(config, powers);
    await service.#openOutputs(config);
    service.#runner.start();
    for (const channel of config.tune) service.#runner.feed({ kind: "tune", channel });
    return service;
  }

  private constructor(config: SettopConfig, powers: SettopPowers) {
    this.#config = config;
    this.#powers = powers;
    const { id, publicKey } = config.keyServer;
    this.#keyServer = { role: "keyserver", id, publicKey };
    const { clock, entropy } = powers;
    const { most, overlap, linger } = config;
    const options = { device: config.id, channels: channelsOf(config), most, overlap, linger };
    this.#settop = new Settop(options, entropy, clock, this.#recall(), clock.now());
    this.#runner = new Runner(clock, this.#settop, (effect) => this.#apply(effect));
    this.#endpoint = this.#connect();
  }

  status(): object {
    const status = this.#settop.status(this.#powers.clock.now());
    return {
      broker: status.link ? "connected" : "away",
      channels: status.viewings.map((viewing) => this.#channelStatus(status.link, viewing)),
      pendingStops: status.pendingStops,
      journal: this.#journalFault ?? "sound",
      messages: { sent: this.#endpoint.sent.snapshot(), received: this.#endpoint.received.snapshot() },
      drops: { ...status.drops, ...this.#endpoint.drops.snapshot() },
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
   * Channels and outputs; viewings of channels that stay go on, and channels that are new in `tune` begin. Rejects with HalError when
   * an output cannot be opened.
   */
  async reload(config: SettopConfig): Promise<void> {
    const before = this.#config;
    await this.#openOutputs(config);
    this.#config = config;
    if (rootsOf(before) !== rootsOf(config))
      this.#powers.log.warn("id, identity, broker, keyServer and journal change only by a restart");
    this.#runner.feed({ kind: "channels", channels: channelsOf(config) });
    for (const channel of config.tune) {
      const refusal = before.tune.includes(channel) ? undefined : this.tune(channel);
      if (refusal !== undefined) this.#powers.log.warn({ channel }, refusal);
    }
  }

  /** Leaves all groups, sends the stops and waits a moment for their acknowledgement; outputs get what is queued. */
  async stop(): Promise<void> {
    const finished = new Promise<void>((resolve) => {
      this.#finished = resolve;
      if (this.#endpoint.connected) this.#powers.clock.alarm(after(this.#powers.clock.now(), FAREWELL), resolve);
    });
    this.#runner.feed({ kind: "quit" });
    const outputs = Promise.all([...this.#outputs.values()].map((output) => output.close()));
    if (this.#endpoint.connected) await finished;
    this.#runner.stop();
    await Promise.all([outputs, this.#endpoint.close()]);
  }

  #command(event: SettopEvent): string | undefined {
    this.#refusal = undefined;
    this.#runner.feed(event);
    return this.#refusal === undefined ? undefined : REFUSALS[this.#refusal];
  }

  /** Two streams in one output would be of no use to anybody. */
  #taken(channel: string, stays: (other: string) => boolean): string | undefined {
    const wanted = this.#outputNameOf(channel);
    if (wanted === undefined || wanted === "null") return undefined;
    for (const other of this.#screens.keys())
      if (other !== channel && stays(other) && this.#outputNameOf(other) === wanted)
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
    const { entries, fault } = this.#powers.journal.load();
    if (fault !== undefined) this.#journalFailed(fault);
    if (entries.length > 0) this.#powers.log.info({ receptions: entries.length }, "stopping what a power cut ended");
    return entries;
  }

  #connect(): Endpoint {
    const { primitives, entropy, clock, keys, buses, log } = this.#powers;
    const link = new Link({ role: "settop", id: this.#config.id, keys, peers: [this.#keyServer] }, primitives, entropy);
    const noticeKey = { verify: this.#config.keyServer.noticeKey };
    return new Endpoint(
      buses,
      { link, clock, primitives, noticeKey },
      {
        message: ({ message }) => this.#runner.feed({ kind: "answer", message }),
        notice: (notice, retained) => this.#runner.feed({ kind: "notice", notice, retained }),
        up: () => {
          log.info("broker connected");
          this.#runner.feed({ kind: "link", up: true });
        },
        down: (error) => {
          log.warn({ code: error.code }, error.message);
          this.#runner.feed({ kind: "link", up: false });
        },
        dropped: (drop, detail, topic) => log.debug({ drop, detail, topic }, "message dropped"),
      },
    );
  }

  async #openOutputs(config: SettopConfig): Promise<void> {
    for (const channel of config.channels) {
      const choice = outputOf(config, channel);
      const name = outputName(choice);
      if (!this.#outputs.has(name)) this.#outputs.set(name, await this.#powers.openOutput(choice));
    }
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
        this.#endpoint.send(this.#keyServer, effect.message);
        return;
      case "remember":
        this.#remember(effect.entries);
        return;
      case "note":
        this.#powers.log.info({ channel: effect.channel, note: effect.note }, NOTES[effect.note](effect.text));
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
    const output = this.#outputs.get(outputName(outputOf(this.#config, channel)));
    if (output === undefined) throw new RangeError(`no output for ${id}`);
    const { datagrams, clock, ciphers } = this.#powers;
    const { interfaceAddress, receiveBuffer, reorder } = this.#config;
    const options = { datagrams, clock, ciphers, interfaceAddress, receiveBuffer, ...reorder };
    this.#screens.set(id, new Screen(options, toChannel(channel), output, (event) => this.#runner.feed(event)));
    this.#endpoint.watch(id).catch((error: unknown) => {
      this.#powers.log.warn(
        { err: error, channel: id },
        "no notices for this channel: keys are renewed when they run out",
      );
    });
  }

  #end(id: string): void {
    this.#screens.get(id)?.close();
    this.#screens.delete(id);
    this.#endpoint.unwatch(id);
  }

  /** A journal that cannot be written is said aloud; the viewing goes on, and its stop is sent while we live. */
  #remember(entries: readonly JournalEntry[]): void {
    try {
      this.#powers.journal.save(entries);
      this.#journalFault = undefined;
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      this.#journalFailed(error);
    }
  }

  #journalFailed(error: HalError): void {
    this.#journalFault = `${error.code}: ${error.message}`;
    this.#powers.log.warn({ code: error.code, alternative: error.alternative }, error.message);
  }

  #channelStatus(link: boolean, viewing: ViewingStatus): ChannelStatus | ViewingStatus {
    const stream = this.#screens.get(viewing.channel)?.status();
    if (stream === undefined) return viewing;
    const { channel, epochs } = viewing;
    return { channel, viewing, dark: whyNoPicture(link, viewing, stream), ...stream, epochs };
  }
}

/** What is fixed while the process runs. */
const rootsOf = ({ id, identity, broker, keyServer, journal }: SettopConfig): string =>
  JSON.stringify([id, identity, broker, keyServer.id, [...keyServer.publicKey], [...keyServer.noticeKey], journal]);

const channelsOf = (config: SettopConfig): readonly Channel[] => config.channels.map(toChannel);

const toChannel = ({ id, group, port, source }: ChannelConfig): Channel =>
  source === undefined ? { id, group, port } : { id, group, port, source };
