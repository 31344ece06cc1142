// One running channel: source, data path and sender, and the machine that changes its keys.

import type { Alarm } from "../../core/base/alarm.ts";
import { Backoff, exactly, type Schedule } from "../../core/base/backoff.ts";
import { ANY } from "../../core/base/ipv4.ts";
import { Runner } from "../../core/base/runner.ts";
import { after, milliseconds, seconds } from "../../core/base/time.ts";
import { overwriteKeys } from "../../core/control/epoch-key.ts";
import type { Received } from "../../core/control/mailbox.ts";
import { HeadendChannel } from "../../core/headend/channel.ts";
import type { ChannelEffect, ChannelEvent, ChannelOptions } from "../../core/headend/events.ts";
import { firstIndexAt, ssrcOfChannel } from "../../core/headend/first-index.ts";
import { StreamPath } from "../../core/headend/stream-path.ts";
import type { Ciphers } from "../../core/ports/cipher.ts";
import type { DatagramSocket, Datagrams } from "../../core/ports/datagrams.ts";
import type { HalError } from "../../core/ports/errors.ts";
import { DYNAMIC, MP2T } from "../../core/stream/rtp.ts";
import { StreamSender } from "../../core/stream/sender.ts";
import { openNetwork } from "../../hal/source/network.ts";
import { fromStream, openFile } from "../../hal/source/octets.ts";
import { PacedSource } from "../../hal/source/paced.ts";
import type { Source } from "../../hal/source/source.ts";
import { interfaceOf } from "../shared/config.ts";
import type { BusConnection, ClientPlatform } from "../shared/machine-on-bus.ts";
import { type ChannelConfig, type HeadendConfig, outgoingOf, timesOf } from "./config.ts";

/** What the headend needs of the machine it runs on. */
export interface HeadendPlatform extends ClientPlatform {
  readonly datagrams: Datagrams;
  readonly ciphers: Ciphers;
  readonly stdin: NodeJS.ReadStream;
  /** Every input has ended. */
  finished(): void;
}

/** A channel's input has come to its end and will not go on. */
type Ended = (channel: string) => void;

/** A source that failed is opened again after 1 s, then after 2, 4 ... 30 s; after 1 s again once it has lasted for 30. */
const REOPENING: Schedule = { first: seconds(1), ceiling: seconds(30), range: exactly, lasting: seconds(30) };

/** One channel with its source, its socket and its keys, from `open` to `stop`. */
export class RunningChannel {
  readonly #config: ChannelConfig;
  readonly #platform: HeadendPlatform;
  readonly #ended: Ended;
  readonly #socket: DatagramSocket;
  readonly #sender: StreamSender;
  readonly #path: StreamPath;
  readonly #machine: HeadendChannel;
  readonly #runner: Runner<ChannelEvent, ChannelEffect>;
  #bus: BusConnection | undefined;
  #source: Source | undefined;
  #fault: string | undefined;
  readonly #reopening = new Backoff(REOPENING);
  #retry: Alarm | undefined;
  #stopped = false;

  /** Opens the outgoing socket and the source. Rejects with HalError. */
  static async open(
    headend: HeadendConfig,
    config: ChannelConfig,
    platform: HeadendPlatform,
    ended: Ended,
  ): Promise<RunningChannel> {
    const socket = await platform.datagrams.open(
      {
        address: ANY,
        port: 0,
        multicast: {
          interfaceAddress: outgoingOf(headend, config),
          ttl: config.ttl ?? headend.ttl,
        },
      },
      {
        datagram: () => {},
        failed: (error) => platform.log.warn({ code: error.code, channel: config.id }, error.message),
      },
    );
    const channel = new RunningChannel(headend, config, platform, socket, ended);
    try {
      await channel.#openSource();
    } catch (error) {
      socket.close();
      throw error;
    }
    return channel;
  }

  private constructor(
    headend: HeadendConfig,
    config: ChannelConfig,
    platform: HeadendPlatform,
    socket: DatagramSocket,
    ended: Ended,
  ) {
    const { clock, entropy, ciphers } = platform;
    this.#config = config;
    this.#platform = platform;
    this.#ended = ended;
    this.#socket = socket;
    const options = channelOptions(headend, config, () => this.#sender.position());
    const { ssrc, payloadType, rocEvery } = options.parameters.stream;
    const firstIndex = config.position === "zero" ? 0 : firstIndexAt(clock.unix(clock.now()));
    const { suite, mki: mkiLength } = config;
    this.#sender = new StreamSender({ ciphers, suite, mkiLength, ssrc, firstIndex, rocEvery });
    const { group, port, content, largest } = config;
    const rtpInput = config.input.kind === "rtp";
    this.#path = new StreamPath({
      sender: this.#sender,
      socket,
      group,
      port,
      payloadType,
      content,
      rtpInput,
      largest,
    });
    this.#machine = new HeadendChannel(options, entropy, clock.now());
    this.#runner = new Runner(clock, this.#machine, (effect) => this.#apply(effect));
  }

  /** From here on epochs are asked for and, once there is one, packets are sent. */
  start(bus: BusConnection): void {
    this.#bus = bus;
    this.#runner.start();
  }

  broker(up: boolean): void {
    this.#runner.feed({ kind: "broker", up });
  }

  message({ from, message, request }: Received): void {
    this.#runner.feed({ kind: "message", from, message, request });
  }

  status(): object {
    return {
      ...this.#machine.status(this.#platform.clock.now()),
      position: this.#sender.position(),
      output: this.#path.snapshot(),
      source: { ...this.#source?.status(), fault: this.#fault },
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
    this.#source?.stop();
    this.#runner.stop();
    this.#sender.erase();
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
        overwriteKeys([effect.key]);
        return;
      case "switch":
        this.#sender.switchTo(effect.epoch);
        log.info({ channel, epoch: effect.epoch }, "key changed");
        return;
      case "alarm":
        if (effect.raised) log.error({ channel, alarm: effect.alarm }, ALARMS[effect.alarm]);
        else log.info({ channel, alarm: effect.alarm }, "alarm over");
        return;
      default:
        effect satisfies never;
    }
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
    const channel = this.#config.id;
    this.#platform.log.error({ channel, code: error.code, needs: error.needs, or: error.alternative }, error.message);
    this.#source?.stop();
    this.#source = undefined;
    if (this.#config.input.kind === "stdin") this.#ended(channel);
    else this.#retryLater();
  }

  #retryLater(): void {
    const { clock, entropy } = this.#platform;
    const now = clock.now();
    this.#retry = clock.alarm(after(now, this.#reopening.failed(now, entropy)), () => {
      this.#openSource().then(
        () => {
          this.#fault = undefined;
        },
        (error: HalError) => this.#sourceFailed(error),
      );
    });
  }

  #inputEnded(): void {
    this.#platform.log.info({ channel: this.#config.id }, "the input has ended");
    this.#ended(this.#config.id);
  }
}

const ALARMS = {
  "no-epoch": "no key is acknowledged by the key server: nothing is sent",
  overdue: "no new key is acknowledged by the key server: the old one goes on",
  "not-authorised": "the key server does not let this headend serve the channel",
  "epochs-exhausted": "the channel has used up its epochs: give it a new id",
} as const;

function channelOptions(
  headend: HeadendConfig,
  config: ChannelConfig,
  position: ChannelOptions["position"],
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
      stream: { suite, mkiLength: mki, ssrc, payloadType, ...(rocEvery === undefined ? {} : { rocEvery }) },
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
