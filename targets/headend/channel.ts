// One running channel: source, data path and sender, and the machine that changes its keys.

import type { Alarm } from "../../core/base/alarm.ts";
import { Backoff, exactly, type Schedule } from "../../core/base/backoff.ts";
import { ANY } from "../../core/base/ipv4.ts";
import { Runner } from "../../core/base/runner.ts";
import { after, type Duration, milliseconds, seconds } from "../../core/base/time.ts";
import { overwriteKeys } from "../../core/control/epoch-key.ts";
import type { Received } from "../../core/control/mailbox.ts";
import { HeadendChannel } from "../../core/headend/channel.ts";
import type { ChannelEffect, ChannelEvent, ChannelOptions, EpochAlarm } from "../../core/headend/events.ts";
import { firstIndexAt, ssrcOfChannel } from "../../core/headend/first-index.ts";
import { StreamPath } from "../../core/headend/stream-path.ts";
import { type TrafficAlarm, type TrafficEffect, TrafficWatch } from "../../core/headend/traffic-watch.ts";
import type { Ciphers } from "../../core/ports/cipher.ts";
import type { DatagramSocket, Datagrams } from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";
import { DYNAMIC, MP2T } from "../../core/stream/rtp.ts";
import { StreamSender } from "../../core/stream/sender.ts";
import { openNetwork } from "../../hal/source/network.ts";
import { fromStream, openFile } from "../../hal/source/octets.ts";
import { PacedSource } from "../../hal/source/paced.ts";
import type { Source } from "../../hal/source/source.ts";
import { interfaceOf } from "../shared/config.ts";
import type { BusConnection, ClientPlatform } from "../shared/machine-on-bus.ts";
import { type ChannelConfig, type HeadendConfig, type InputConfig, outgoingOf, timesOf } from "./config.ts";
import { SignedSocket } from "./signed-socket.ts";

/** What the headend needs of the machine it runs on. */
export interface HeadendPlatform extends ClientPlatform {
  readonly datagrams: Datagrams;
  readonly ciphers: Ciphers;
  readonly stdin: NodeJS.ReadStream;
  /** Every input has ended. */
  finished(): void;
}

/** What a channel tells its headend. */
export interface ChannelListener {
  /** Its input has come to its end and will not go on. */
  ended(channel: string): void;
  /** Another alarm is raised, or one is over. */
  alarmsChanged(): void;
}

/** What is wrong with a channel. */
type ChannelAlarm =
  | EpochAlarm
  | TrafficAlarm
  /** The source cannot be opened, or gave up; it is opened again until it can. */
  | "input-failed";

/** A source that failed is opened again after 1 s, then after 2, 4 ... 30 s; after 1 s again once it has lasted for 30. */
const REOPENING: Schedule = { first: seconds(1), ceiling: seconds(30), range: exactly, lasting: seconds(30) };

/** One channel with its source, its socket and its keys, from `open` to `stop`. */
export class RunningChannel {
  readonly #config: ChannelConfig;
  readonly #platform: HeadendPlatform;
  readonly #headend: HeadendConfig;
  readonly #listener: ChannelListener;
  #socket: DatagramSocket;
  readonly #sender: StreamSender;
  readonly #path: StreamPath;
  /** Absent where the channel's packets are not signed. */
  readonly #signing: SignedSocket | undefined;
  readonly #machine: HeadendChannel;
  readonly #runner: Runner<ChannelEvent, ChannelEffect>;
  readonly #watch: TrafficWatch;
  readonly #watching: Runner<never, TrafficEffect>;
  readonly #alarms = new Set<ChannelAlarm>();
  #bus: BusConnection | undefined;
  #source: Source | undefined;
  #fault: string | undefined;
  readonly #reopening = new Backoff(REOPENING);
  #retry: Alarm | undefined;
  #stopped = false;

  /** Opens the outgoing socket and the source. Rejects with HalError; a group that cannot be joined yet is joined when it can. */
  static async open(
    headend: HeadendConfig,
    config: ChannelConfig,
    platform: HeadendPlatform,
    listener: ChannelListener,
  ): Promise<RunningChannel> {
    const socket = await openOutgoing(headend, config, platform);
    const channel = new RunningChannel(headend, config, platform, socket, listener);
    try {
      await channel.#openSource();
    } catch (error) {
      if (error instanceof HalError && error.code === "datagram.membership") channel.#sourceFailed(error);
      else {
        socket.close();
        throw error;
      }
    }
    return channel;
  }

  private constructor(
    headend: HeadendConfig,
    config: ChannelConfig,
    platform: HeadendPlatform,
    socket: DatagramSocket,
    listener: ChannelListener,
  ) {
    const { clock, entropy, ciphers } = platform;
    this.#config = config;
    this.#platform = platform;
    this.#headend = headend;
    this.#listener = listener;
    this.#socket = socket;
    // Of this process: the key server has it with each key, and tells it the receivers with each grant.
    const signer = config.sign ? platform.primitives.ed25519Generate() : undefined;
    const options = channelOptions(headend, config, () => this.#sender.position(), signer?.publicKey);
    const { ssrc, payloadType, rocEvery } = options.parameters.stream;
    const firstIndex = config.position === "zero" ? 0 : firstIndexAt(clock.unix(clock.now()));
    const { suite, mki: mkiLength } = config;
    this.#sender = new StreamSender({ ciphers, suite, mkiLength, ssrc, firstIndex, rocEvery });
    const { group, port, content, largest } = config;
    const rtpInput = config.input.kind === "rtp";
    this.#signing = signer && signedSocket(config, platform, ssrc, signer.privateKey, socket);
    this.#path = new StreamPath({
      sender: this.#sender,
      socket: this.#signing ?? socket,
      group,
      port,
      payloadType,
      content,
      rtpInput,
      largest,
      ...(signer === undefined ? {} : { slots: signedSlots(largest) }),
    });
    this.#machine = new HeadendChannel(options, entropy, clock.now());
    this.#runner = new Runner(clock, this.#machine, (effect) => this.#apply(effect));
    const traffic = () => this.#path.traffic;
    this.#watch = new TrafficWatch({ traffic, silence: silenceOf(config.input) }, entropy, clock.now());
    this.#watching = new Runner(clock, this.#watch, (effect) => this.#traffic(effect));
  }

  /** In words, those that are raised. */
  get alarms(): readonly string[] {
    return [...this.#alarms].map((alarm) => `${this.#config.id}: ${alarm}${this.#codeOf(alarm)}`);
  }

  /** From here on epochs are asked for and, once there is one, packets are sent. */
  start(bus: BusConnection): void {
    this.#bus = bus;
    this.#runner.start();
    this.#watching.start();
  }

  broker(up: boolean): void {
    this.#runner.feed({ kind: "broker", up });
  }

  message({ from, message, request }: Received): void {
    this.#runner.feed({ kind: "message", from, message, request });
  }

  status(): object {
    const now = this.#platform.clock.now();
    return {
      ...this.#machine.status(now),
      raised: [...this.#alarms],
      position: this.#sender.position(),
      output: {
        ...this.#path.snapshot(),
        manifests: this.#signing?.manifests,
        fault: this.#alarms.has("output-failing") ? this.#failure() : undefined,
      },
      source: { ...this.#source?.status(), silentFor: this.#watch.silentFor(now), fault: this.#fault },
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
    this.#source?.stop();
    this.#runner.stop();
    this.#watching.stop();
    this.#sender.erase();
    this.#signing?.stop();
    this.#socket.close();
  }

  #apply(effect: ChannelEffect): void {
    const { log } = this.#platform;
    const channel = this.#config.id;
    switch (effect.kind) {
      case "send":
      case "answer":
        this.#bus?.say(effect);
        return;
      case "install":
        this.#sender.install(effect.key.epoch, effect.key.masterKey, effect.key.masterSalt);
        this.#signing?.install(effect.key.epoch, effect.key.masterKey, effect.key.masterSalt);
        overwriteKeys([effect.key]);
        return;
      case "switch":
        this.#sender.switchTo(effect.epoch);
        this.#signing?.switchTo(effect.epoch);
        log.info({ channel, epoch: effect.epoch }, "key changed");
        return;
      case "alarm":
        this.#alarm(effect.alarm, effect.raised);
        return;
      default:
        effect satisfies never;
    }
  }

  #traffic(effect: TrafficEffect): void {
    switch (effect.kind) {
      case "alarm":
        this.#alarm(effect.alarm, effect.raised);
        return;
      case "reopen":
        this.#reopen(effect.end);
        return;
      default:
        effect satisfies never;
    }
  }

  #alarm(alarm: ChannelAlarm, raised: boolean): void {
    if (this.#alarms.has(alarm) === raised) return;
    if (raised) this.#alarms.add(alarm);
    else this.#alarms.delete(alarm);
    const { log } = this.#platform;
    const channel = this.#config.id;
    const why = alarm === "output-failing" ? this.#failure() : undefined;
    if (raised) log.error({ channel, alarm, why }, ALARMS[alarm]);
    else log.info({ channel, alarm }, "alarm over");
    this.#listener.alarmsChanged();
  }

  #codeOf(alarm: ChannelAlarm): string {
    const { failure } = this.#path;
    return alarm === "output-failing" && failure !== undefined ? ` (${failure.code})` : "";
  }

  #failure(): string | undefined {
    const { failure } = this.#path;
    return failure === undefined ? undefined : `${failure.code}: ${failure.message}`;
  }

  #reopen(end: "input" | "output"): void {
    if (end === "output") this.#reopenOutput();
    else if (this.#source !== undefined) this.#reopenInput(this.#source);
  }

  /** The old one is used until there is another. */
  #reopenOutput(): void {
    openOutgoing(this.#headend, this.#config, this.#platform).then(
      (socket) => {
        if (this.#stopped) {
          socket.close();
          return;
        }
        if (this.#signing === undefined) this.#path.useSocket(socket);
        else this.#signing.useSocket(socket);
        this.#socket.close();
        this.#socket = socket;
      },
      (error: unknown) => this.#complain(error),
    );
  }

  /** One that cannot be opened again at once is a source that failed. */
  #reopenInput(source: Source): void {
    source.stop();
    this.#source = undefined;
    this.#openSource().catch((error: unknown) => this.#sourceFailed(halErrorOf(error)));
  }

  #complain(error: unknown): void {
    const { code, message } = halErrorOf(error);
    this.#platform.log.warn({ code, channel: this.#config.id }, message);
  }

  async #openSource(): Promise<void> {
    const source = await this.#makeSource();
    this.#reopening.works(this.#platform.clock.now());
    if (this.#stopped) source.stop();
    else this.#source = source;
  }

  async #makeSource(): Promise<Source> {
    const { clock, datagrams, stdin } = this.#platform;
    const { input, id, content } = this.#config;
    const listener = { failed: (error: HalError) => this.#sourceFailed(error), ended: () => this.#inputEnded() };
    if (input.kind === "udp" || input.kind === "rtp") {
      const { address, port, source } = input;
      const from = { address, port, interfaceAddress: interfaceOf(input) };
      const chosen = source === undefined ? from : { ...from, source };
      return openNetwork(chosen, datagrams, clock, this.#path, listener);
    }
    const octets = input.kind === "stdin" ? fromStream(stdin) : await openFile(input.path, input.loop);
    const name = input.kind === "stdin" ? "standard input" : input.path;
    const options = { name, content, ...(input.bitrate === undefined ? {} : { bitrate: input.bitrate }) };
    const source = new PacedSource(options, octets, clock, this.#path, listener);
    source.start();
    this.#platform.log.debug({ channel: id, input: name }, "reading the input");
    return source;
  }

  /** Standard input cannot be opened again; everything else is, for as long as we run. */
  #sourceFailed(error: HalError): void {
    if (this.#stopped) return;
    this.#fault = `${error.code}: ${error.message}`;
    this.#alarm("input-failed", true);
    const channel = this.#config.id;
    this.#platform.log.error({ channel, code: error.code, needs: error.needs, or: error.alternative }, error.message);
    this.#source?.stop();
    this.#source = undefined;
    if (this.#config.input.kind === "stdin") this.#listener.ended(channel);
    else this.#retryLater();
  }

  #retryLater(): void {
    const { clock, entropy } = this.#platform;
    const now = clock.now();
    this.#retry?.cancel();
    this.#retry = clock.alarm(after(now, this.#reopening.failed(now, entropy)), () => {
      this.#openSource().then(
        () => this.#sourceWorks(),
        (error: unknown) => this.#sourceFailed(halErrorOf(error)),
      );
    });
  }

  #sourceWorks(): void {
    this.#fault = undefined;
    this.#alarm("input-failed", false);
  }

  #inputEnded(): void {
    this.#platform.log.info({ channel: this.#config.id }, "the input has ended");
    this.#listener.ended(this.#config.id);
  }
}

const openOutgoing = (
  headend: HeadendConfig,
  config: ChannelConfig,
  { datagrams, log }: HeadendPlatform,
): Promise<DatagramSocket> =>
  datagrams.open(
    {
      address: ANY,
      port: 0,
      multicast: { interfaceAddress: outgoingOf(headend, config), ttl: config.ttl ?? headend.ttl },
    },
    {
      datagram: () => {},
      failed: (error) => log.warn({ code: error.code, channel: config.id }, error.message),
    },
  );

/** Packets of a window wait in their buffers: enough for 100 Mbit/s and the longest window, where they are of the usual size. */
const SIGNED_ROOM = 4 * 1024 * 1024;
const signedSlots = (largest: number): number => Math.max(256, Math.min(2048, Math.floor(SIGNED_ROOM / largest)));

const signedSocket = (
  { id, group, port, signWindow }: ChannelConfig,
  { clock, primitives }: HeadendPlatform,
  ssrc: number,
  signingKey: Uint8Array,
  socket: DatagramSocket,
): SignedSocket =>
  new SignedSocket(
    { primitives, stream: { channel: id, ssrc }, signingKey, window: milliseconds(signWindow), group, port, clock },
    socket,
  );

/** Our own mistakes are thrown. */
function halErrorOf(error: unknown): HalError {
  if (error instanceof HalError) return error;
  throw error;
}

const ALARMS = {
  "no-epoch": "no key is acknowledged by the key server: nothing is sent",
  overdue: "no new key is acknowledged by the key server: the old one goes on",
  "not-authorised": "the key server does not let this headend serve the channel",
  "epochs-exhausted": "the channel has used up its epochs: give it a new id",
  "output-failing": "packets cannot be sent",
  "input-silent": "nothing comes in",
  "input-failed": "the input cannot be read: it is opened again",
} as const satisfies Record<ChannelAlarm, string>;

/** A file is read when it is time, and standard input has an end of its own. */
function silenceOf(input: InputConfig): Duration | undefined {
  if (input.kind !== "udp" && input.kind !== "rtp") return undefined;
  return input.silence === 0 ? undefined : seconds(input.silence);
}

function channelOptions(
  headend: HeadendConfig,
  config: ChannelConfig,
  position: ChannelOptions["position"],
  signer: Uint8Array | undefined,
): ChannelOptions {
  const { id, group, port, suite, mki, rocEvery, keys } = config;
  const { interval, lead, window, overlap, shortestLead } = timesOf(config);
  const ssrc = config.ssrc ?? ssrcOfChannel(id);
  const payloadType = config.payloadType ?? (config.content === "ts" ? MP2T : DYNAMIC);
  return {
    parameters: {
      channel: id,
      group,
      port,
      stream: {
        suite,
        mkiLength: mki,
        ssrc,
        payloadType,
        ...(rocEvery === undefined ? {} : { rocEvery }),
        ...(signer === undefined ? {} : { signer }),
      },
      interval,
      overlap,
      window,
    },
    keys,
    lead: milliseconds(lead),
    shortestLead: milliseconds(shortestLead),
    keyServer: { role: "keyserver", id: headend.keyServer.id, publicKey: headend.keyServer.publicKey },
    position,
  };
}
