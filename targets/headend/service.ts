// The running headend: its channels and its place on the bus.
import { Counters } from "../../core/base/counters.ts";
import { Endpoint } from "../../core/control/endpoint.ts";
import { Link, type Received } from "../../core/control/link.ts";
import type { Peer } from "../../core/control/participant.ts";
import type { BusConnector } from "../../core/ports/bus.ts";
import type { KeyPair, Primitives } from "../../core/ports/primitives.ts";
import { brokerComplaints, brokerStatus } from "../shared/broker-words.ts";
import { type ChannelPowers, RunningChannel } from "./channel.ts";
import type { HeadendConfig } from "./config.ts";

export interface HeadendPowers extends Omit<ChannelPowers, "ended"> {
  readonly primitives: Primitives;
  readonly buses: BusConnector;
  /** X25519. */
  readonly keys: KeyPair;
  /** Every input has ended. */
  finished(): void;
}

export class HeadendService {
  readonly #config: HeadendConfig;
  readonly #powers: HeadendPowers;
  readonly #channels = new Map<string, RunningChannel>();
  readonly #drops = new Counters<"headend.channel-unknown">();
  readonly #endpoint: Endpoint;

  /** Opens every socket and source first; only then does the broker hear of us. Rejects with HalError. */
  static async start(config: HeadendConfig, powers: HeadendPowers): Promise<HeadendService> {
    const opened: RunningChannel[] = [];
    const live = new Set(config.channels.map(({ id }) => id));
    const ended = (id: string): void => {
      live.delete(id);
      if (live.size === 0) powers.finished();
    };
    try {
      for (const channel of config.channels)
        opened.push(await RunningChannel.open(config, channel, { ...powers, ended }));
    } catch (error) {
      for (const channel of opened) channel.stop();
      throw error;
    }
    return new HeadendService(config, powers, opened);
  }

  private constructor(config: HeadendConfig, powers: HeadendPowers, channels: readonly RunningChannel[]) {
    this.#config = config;
    this.#powers = powers;
    for (const [i, { id }] of config.channels.entries()) {
      const channel = channels[i];
      if (channel !== undefined) this.#channels.set(id, channel);
    }
    this.#endpoint = this.#connect();
    for (const channel of this.#channels.values()) channel.start(this.#endpoint);
  }

  status(): object {
    return {
      ...brokerStatus(this.#endpoint),
      channels: [...this.#channels.values()].map((channel) => channel.status()),
      messages: { sent: this.#endpoint.sent.snapshot(), received: this.#endpoint.received.snapshot() },
      drops: { ...this.#drops.snapshot(), ...this.#endpoint.drops.snapshot() },
    };
  }

  /** Sources first, so that nothing more is sent; then a farewell on the bus, within 500 ms. */
  async stop(): Promise<void> {
    for (const channel of this.#channels.values()) channel.stop();
    await this.#endpoint.close();
  }

  #connect(): Endpoint {
    const { primitives, entropy, clock, keys, buses, log } = this.#powers;
    const { id, publicKey } = this.#config.keyServer;
    const peer: Peer = { role: "keyserver", id, publicKey };
    const link = new Link({ role: "headend", id: this.#config.id, keys, peers: [peer] }, primitives, entropy);
    const complain = brokerComplaints(clock, log);
    return new Endpoint(
      buses,
      { link, clock, primitives },
      {
        message: (received) => this.#received(received),
        notice: () => {},
        up: () => {
          log.info("broker connected");
          this.#linked(true);
        },
        down: (error) => {
          complain(error);
          this.#linked(false);
        },
        dropped: (drop, detail, topic) => log.debug({ drop, detail, topic }, "message dropped"),
      },
    );
  }

  #linked(up: boolean): void {
    for (const channel of this.#channels.values()) channel.link(up);
  }

  #received(received: Received): void {
    const { message } = received;
    const channel = "channel" in message ? this.#channels.get(message.channel) : undefined;
    if (channel === undefined) this.#drops.count("headend.channel-unknown");
    else channel.message(received);
  }
}
