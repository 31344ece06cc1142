// The whole system in one process and in simulated time: figure 2 of the patent with every process that belongs to it.
import type { LevelWithSilent } from "pino";
import { ANY } from "../../core/base/ipv4.ts";
import { after, type Duration, type Instant, instant, milliseconds, seconds } from "../../core/base/time.ts";
import { SimulatedDatagrams } from "../../hal/datagram/simulated.ts";
import { generateIdentity, type Identity } from "../../hal/identity/identity.ts";
import { HeadendBox, RouterBox, SettopBox } from "./boxes.testkit.ts";
import { CHANNEL_NAMES, CHANNELS, type ChannelName } from "./configuration.testkit.ts";
import { ControlBox } from "./control-box.testkit.ts";
import {
  type FigureTwo,
  figureTwo,
  INTAKE,
  ROUTER_NAMES,
  type RouterName,
  SETTOP_NAMES,
  type SettopName,
} from "./figure-two.testkit.ts";
import { SimulatedHost } from "./host.testkit.ts";
import { sendNumbered } from "./numbered-stream.testkit.ts";

/** Between two packets of one channel. */
export const PACKET_EVERY = milliseconds(200);

/** Lets what is asynchronous finish: promises of the simulated drivers, and the store's group commit. No time passes. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class World {
  readonly host: SimulatedHost;
  /** Of every participant, with its secrets. */
  readonly identities: readonly Identity[];
  readonly network: FigureTwo;
  readonly control: ControlBox;
  readonly headend: HeadendBox;
  readonly routers: Readonly<Record<RouterName, RouterBox>>;
  readonly settops: Readonly<Record<SettopName, SettopBox>>;
  /** Called after every simulated second. */
  everySecond: () => void = () => {};
  readonly #messages = new Map<string, string>();

  /** Everything runs, nobody watches yet. `level` as of `SimulatedHost`. */
  static async start(seed: number, level?: LevelWithSilent): Promise<World> {
    const world = new World(seed, level);
    await world.#begin();
    return world;
  }

  private constructor(seed: number, level: LevelWithSilent | undefined) {
    const host = new SimulatedHost(seed, level);
    this.host = host;
    this.network = figureTwo(host.network);
    host.digest(Object.values(this.network.lans));
    const identity = (role: Parameters<typeof generateIdentity>[0], id: string) =>
      generateIdentity(role, id, host.primitives, host.entropy);
    const servers = {
      keyserver: identity("keyserver", "key-server"),
      reception: identity("reception", "reception-server"),
    };
    const [headend, routers, settops] = [
      identity("headend", "headend"),
      ROUTER_NAMES.map((name) => identity("router", name)),
      SETTOP_NAMES.map((name) => identity("settop", name)),
    ];
    this.identities = [...Object.values(servers), headend, ...routers, ...settops];
    this.control = new ControlBox(host, servers.keyserver, servers.reception);
    this.#registers = () => this.control.register(settops, [headend, ...routers], ["stranger"]);
    const node = (name: string) => this.network.node(name as RouterName | SettopName);
    this.headend = new HeadendBox(host, this.network.node("headend"), headend, servers);
    this.routers = byName(routers.map((own) => new RouterBox(host, node(own.id), own, servers)));
    this.settops = byName(settops.map((own) => new SettopBox(host, node(own.id), own, servers)));
  }

  readonly #registers: () => Promise<void>;

  get now(): Instant {
    return this.host.clock.now();
  }

  /** Simulated time passes, as fast as the host can. */
  async run(span: Duration): Promise<void> {
    const until = after(this.now, span);
    while (this.now < until) {
      await this.#runTo(instant(Math.min(until, Math.floor(this.now / 1000 + 1) * 1000)));
      if (this.now % 1000 === 0) this.#second();
    }
  }

  /** Runs until `holds`, looking every so often, at most for `limit`; whether it came to hold. */
  async until(holds: () => boolean, limit: Duration = seconds(30), every = milliseconds(50)): Promise<boolean> {
    const end = after(this.now, limit);
    while (!holds() && this.now < end) await this.run(every);
    return holds();
  }

  tune(settop: SettopName, channel: ChannelName): void {
    this.#say(settop, `tunes to ${channel}`);
    this.#told(settop, this.settops[settop].service?.tune(channel));
  }

  zap(settop: SettopName, channel: ChannelName): void {
    this.#say(settop, `zaps to ${channel}`);
    this.#told(settop, this.settops[settop].service?.zap(channel, undefined));
  }

  /** Without a channel, everything. */
  stop(settop: SettopName, channel?: ChannelName): void {
    this.#say(settop, `stops ${channel ?? "everything"}`);
    this.#told(settop, this.settops[settop].service?.stopViewing(channel));
  }

  /** Whether clear packets of the channel have come within a second. */
  watches(settop: SettopName, channel: ChannelName): boolean {
    const last = this.settops[settop].screen.lastAt(CHANNEL_NAMES.indexOf(channel));
    return last !== undefined && this.now - last <= 1000;
  }

  /** What `status` of each process that runs says, by its id. */
  statuses(): Readonly<Record<string, object | undefined>> {
    return Object.fromEntries(this.#boxes().map((box) => [box.id, box.status()]));
  }

  /** Bare of what cannot be in a log. */
  text(): string {
    return this.host.text();
  }

  async #begin(): Promise<void> {
    await this.#settled(this.control.start());
    await this.#settled(this.#registers());
    for (const router of Object.values(this.routers)) await router.start();
    await this.headend.start();
    for (const settop of Object.values(this.settops)) await settop.start();
    const source = await new SimulatedDatagrams(this.network.node("source")).open(
      { address: ANY, port: 0 },
      { datagram() {}, failed() {} },
    );
    const ports = CHANNELS.map(({ intake }) => intake);
    sendNumbered(this.host.clock, source, INTAKE, ports, PACKET_EVERY);
  }

  /** For what waits only for the store. */
  async #settled(work: Promise<void>): Promise<void> {
    await work;
    await turn();
  }

  async #runTo(until: Instant): Promise<void> {
    const { clock } = this.host;
    for (let next = clock.nextAlarm(); next !== undefined && next <= until; next = clock.nextAlarm()) {
      clock.runUntil(next);
      await turn();
    }
    clock.runUntil(until);
  }

  /** What was sent and received, by the patent's numbers, when it has changed. */
  #second(): void {
    for (const box of this.#boxes()) {
      const counted = JSON.stringify(box.messages());
      if (counted === undefined || counted === this.#messages.get(box.id)) continue;
      this.#messages.set(box.id, counted);
      this.host.say(`${box.id} messages ${counted}`);
    }
    this.everySecond();
  }

  #boxes() {
    return [this.control, this.headend, ...Object.values(this.routers), ...Object.values(this.settops)];
  }

  #say(settop: SettopName, what: string): void {
    this.host.say(`${settop} ${what}`);
    this.settops[settop].screen.anew();
  }

  #told(settop: SettopName, refusal: string | undefined): void {
    if (refusal !== undefined) this.host.say(`${settop} refuses: ${refusal}`);
  }
}

const byName = <Name extends string, B extends { readonly id: string }>(boxes: readonly B[]) =>
  Object.fromEntries(boxes.map((box) => [box.id, box])) as Record<Name, B>;
