// The running headend: its channels and its place on the bus.
import { Counters } from "../../core/base/counters.ts";
import type { Received } from "../../core/control/mailbox.ts";
import { brokerStatus } from "../shared/broker-words.ts";
import { BusConnection, type BusEvent } from "../shared/machine-on-bus.ts";
import { type ChannelListener, type HeadendPlatform, RunningChannel } from "./channel.ts";
import type { HeadendConfig } from "./config.ts";

/** Runs until `stop`; one channel's fault is not another's. */
export class HeadendService {
  readonly #channels = new Map<string, RunningChannel>();
  readonly #drops = new Counters<"headend.channel-unknown">();
  readonly #bus: BusConnection;

  /** Opens every socket and source first; only then does the broker hear of us. Rejects with HalError. */
  static async start(config: HeadendConfig, platform: HeadendPlatform): Promise<HeadendService> {
    const opened: RunningChannel[] = [];
    const live = new Set(config.channels.map(({ id }) => id));
    let service: HeadendService | undefined;
    const listener: ChannelListener = {
      ended(id) {
        live.delete(id);
        if (live.size === 0) platform.finished();
      },
      alarmsChanged: () => service?.tellAlarms(),
    };
    try {
      for (const channel of config.channels)
        opened.push(await RunningChannel.open(config, channel, platform, listener));
    } catch (error) {
      for (const channel of opened) channel.stop();
      throw error;
    }
    service = new HeadendService(config, platform, opened);
    service.tellAlarms();
    return service;
  }

  private constructor(config: HeadendConfig, platform: HeadendPlatform, channels: readonly RunningChannel[]) {
    for (const [i, { id }] of config.channels.entries()) {
      const channel = channels[i];
      if (channel !== undefined) this.#channels.set(id, channel);
    }
    const { id, keyServer } = config;
    const participant = {
      role: "headend",
      id,
      keys: platform.keys,
      peers: [{ role: "keyserver", id: keyServer.id, publicKey: keyServer.publicKey }],
    } as const;
    this.#bus = new BusConnection(participant, platform, (event) => this.#heard(event));
    for (const channel of this.#channels.values()) channel.start(this.#bus);
  }

  /** To whoever watches headends. */
  tellAlarms(): void {
    this.#bus.tell([...this.#channels.values()].flatMap((channel) => channel.alarms));
  }

  status(): object {
    return {
      ...brokerStatus(this.#bus),
      channels: [...this.#channels.values()].map((channel) => channel.status()),
      messages: this.#bus.messages(),
      drops: { ...this.#drops.snapshot(), ...this.#bus.drops.snapshot() },
    };
  }

  /** Sources first, so that nothing more is sent; then a farewell on the bus, within 500 ms. */
  async stop(): Promise<void> {
    for (const channel of this.#channels.values()) channel.stop();
    await this.#bus.close();
  }

  #heard(event: BusEvent): void {
    switch (event.kind) {
      case "message":
        this.#received(event.received);
        break;
      // For set-tops.
      case "notice":
        break;
      case "broker":
        for (const channel of this.#channels.values()) channel.broker(event.up);
        break;
      default:
        event satisfies never;
    }
  }

  #received(received: Received): void {
    const { message } = received;
    const channel = "channel" in message ? this.#channels.get(message.channel) : undefined;
    if (channel === undefined) this.#drops.count("headend.channel-unknown");
    else channel.message(received);
  }
}
