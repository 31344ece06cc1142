// The headend, the routers and the set-tops as processes on their nodes: started, stopped in order, killed, or without power.

import { toHex } from "../../core/base/bytes.ts";
import { formatIpv4 } from "../../core/base/ipv4.ts";
import { ssrcOfChannel } from "../../core/headend/first-index.ts";
import { SimulatedDatagrams } from "../../hal/datagram/simulated.ts";
import { SimulatedForwarding } from "../../hal/forwarding/simulated.ts";
import type { Identity } from "../../hal/identity/identity.ts";
import { SimulatedIgmpSockets } from "../../hal/igmp/simulated.ts";
import { MemoryJournal } from "../../hal/journal/memory.ts";
import { simulatedLinks } from "../../hal/links/simulated.ts";
import type { SimulatedNode } from "../../hal/simulation/node.ts";
import { SimulatedTaps } from "../../hal/tap/simulated.ts";
import { headendConfig } from "../headend/config.ts";
import { HeadendService } from "../headend/service.ts";
import { routerConfig } from "../router/config.ts";
import { MembershipReports } from "../router/membership-reports.ts";
import { RouterService } from "../router/service.ts";
import { settopConfig } from "../settop/config.ts";
import { SettopService, type TunedChannelStatus } from "../settop/service.ts";
import { BROKER, CHANNELS, type ChannelName, IGMP, KEY_INTERVAL, parse } from "./configuration.testkit.ts";
import { HEADEND, INTAKE, ROUTERS, type RouterName } from "./figure-two.testkit.ts";
import type { SimulatedHost } from "./host.testkit.ts";
import { NumberedScreen } from "./numbered-stream.testkit.ts";
import { SimulatedProcess } from "./process.testkit.ts";
import { KeysHeld, KeysInUse } from "./watched-ciphers.testkit.ts";

interface Stoppable {
  status(): object;
  stop(): Promise<void>;
}

/** Whom the servers are to their clients. */
export interface ServerIdentities {
  readonly keyserver: Identity;
  readonly reception: Identity;
}

abstract class Box<S extends Stoppable> {
  readonly id: string;
  readonly node: SimulatedNode;
  protected readonly host: SimulatedHost;
  protected readonly own: Identity;
  protected readonly servers: ServerIdentities;
  #running: SimulatedProcess | undefined;
  #service: S | undefined;

  constructor(host: SimulatedHost, node: SimulatedNode, own: Identity, servers: ServerIdentities) {
    this.host = host;
    this.node = node;
    this.own = own;
    this.servers = servers;
    this.id = own.id;
  }

  /** While the process runs and is not about to end. */
  get service(): S | undefined {
    return this.#running?.alive === true ? this.#service : undefined;
  }

  async start(): Promise<void> {
    this.#running?.end();
    const running = new SimulatedProcess();
    this.#running = running;
    this.host.say(`${this.id} starts`);
    this.#service = await this.open(running);
  }

  /** SIGTERM. */
  stop(): void {
    const running = this.#running;
    this.host.say(`${this.id} is told to stop`);
    void this.#service?.stop().then(() => running?.end());
    this.#service = undefined;
  }

  /** SIGKILL. */
  kill(): void {
    this.host.say(`${this.id} is killed`);
    this.#running?.end();
  }

  /** The links go first, so that nothing can be said any more. */
  cutPower(): void {
    for (const one of this.node.interfaces()) one.setUp(false);
    this.kill();
  }

  restorePower(): Promise<void> {
    for (const one of this.node.interfaces()) one.setUp(true);
    return this.start();
  }

  status(): object | undefined {
    return this.service?.status();
  }

  /** By patent message number. */
  messages(): object | undefined {
    const status = this.status();
    return status !== undefined && "messages" in status ? (status.messages as object) : undefined;
  }

  protected abstract open(running: SimulatedProcess): Promise<S>;
}

export class HeadendBox extends Box<HeadendService> {
  readonly keys = new KeysInUse();
  readonly #datagrams = new SimulatedDatagrams(this.node);

  ssrcOf(channel: ChannelName): number {
    return ssrcOfChannel(channel);
  }

  protected open(running: SimulatedProcess): Promise<HeadendService> {
    const { x25519, id } = this.servers.keyserver;
    const config = parse(headendConfig, {
      id: this.id,
      broker: BROKER,
      identity: "-",
      keyServer: { id, publicKey: toHex(x25519.publicKey) },
      interfaceAddress: formatIpv4(HEADEND),
      channels: CHANNELS.map(({ id, group, port, intake, keys }) => ({
        id,
        group,
        port,
        keys,
        content: "datagram",
        input: { kind: "udp", address: formatIpv4(INTAKE), port: intake },
        interval: KEY_INTERVAL,
        lead: 3,
        window: 2,
      })),
    });
    const { host } = this;
    return HeadendService.start(config, {
      ...host.process(this.id, running, "headend"),
      primitives: host.primitives,
      datagrams: running.datagrams(this.#datagrams),
      ciphers: this.keys.ciphers(host.clock),
      keys: this.own.x25519,
      stdin: process.stdin,
      finished: () => host.say(`${this.id}: every input has ended`),
    });
  }
}

export class RouterBox extends Box<RouterService> {
  readonly #igmp = new SimulatedIgmpSockets(this.node);
  readonly #forwarding = new SimulatedForwarding(this.node);
  readonly #taps = new SimulatedTaps(this.node);

  protected async open(running: SimulatedProcess): Promise<RouterService> {
    const [upstream, downstream] = ROUTERS[this.id as RouterName];
    const { x25519, id } = this.servers.reception;
    const reception = { id, publicKey: x25519.publicKey };
    const config = parse(routerConfig, {
      id: this.id,
      broker: BROKER,
      identity: "-",
      reception: { id, publicKey: toHex(x25519.publicKey) },
      upstream: { interface: upstream },
      downstreams: [{ interface: downstream, ...IGMP }],
    });
    const { host, own } = this;
    const platform = host.process(this.id, running, "router");
    const { primitives } = host;
    return new RouterService(config, {
      ...platform,
      later: (work) => void platform.clock.alarm(platform.clock.now(), work),
      links: running.links(simulatedLinks(this.node)),
      igmp: running.igmp(this.#igmp),
      forwarding: running.forwarding(this.#forwarding),
      taps: running.taps(this.#taps),
      membershipReports: new MembershipReports(
        this.id,
        { role: "reception", ...reception },
        { ...platform, primitives, keys: own.x25519 },
        { limit: 1024, evidenceLog: undefined },
      ),
      bridgeQueriers: { silence: () => false, restore() {} },
      fatal: (error) => {
        throw error;
      },
    });
  }
}

export class SettopBox extends Box<SettopService> {
  readonly journal = new MemoryJournal();
  readonly screen = new NumberedScreen(this.host.clock);
  readonly keys = new KeysHeld();
  readonly #datagrams = new SimulatedDatagrams(this.node);

  /** What it is tuned to, with the reason for a dark screen. */
  channels(): readonly TunedChannelStatus[] {
    const status = this.service?.status() as { readonly channels: readonly TunedChannelStatus[] } | undefined;
    return status?.channels ?? [];
  }

  protected open(running: SimulatedProcess): Promise<SettopService> {
    this.screen.anew();
    const { x25519, ed25519, id } = this.servers.keyserver;
    const config = parse(settopConfig, {
      id: this.id,
      broker: BROKER,
      identity: "-",
      keyServer: {
        id,
        publicKey: toHex(x25519.publicKey),
        noticeKey: toHex(ed25519?.publicKey ?? new Uint8Array(32)),
      },
      channels: CHANNELS.map(({ id, group, port }) => ({ id, group, port })),
      output: { form: "null" },
    });
    const { host } = this;
    return SettopService.start(config, {
      ...host.process(this.id, running, "settop"),
      primitives: host.primitives,
      datagrams: running.datagrams(this.#datagrams),
      ciphers: this.keys.ciphers(host.clock),
      journal: this.journal,
      keys: this.own.x25519,
      openOutput: async () => this.screen,
    });
  }
}
