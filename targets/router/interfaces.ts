// The interfaces of a running router: sockets, virtual interfaces and taps that follow the links as these come and go.

import type { Alarm } from "../../core/base/alarm.ts";
import { Backoff, exactly, type Schedule } from "../../core/base/backoff.ts";
import { after, type Duration, seconds } from "../../core/base/time.ts";
import type { PortLan } from "../../core/igmp/messages/lan-frame.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { ForwardingTable } from "../../core/ports/forwarding.ts";
import type { FrameTaps } from "../../core/ports/frame-tap.ts";
import type { IgmpSocket, IgmpSockets } from "../../core/ports/igmp-socket.ts";
import type { Link, Links } from "../../core/ports/links.ts";
import type { RouterEvent } from "../../core/router/options.ts";
import type { PortTags } from "../../core/router/proxy-reports.ts";
import type { Logger } from "../shared/log.ts";
import { given } from "./config.ts";

/** What the interfaces stand on. */
export interface InterfacesPlatform {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly links: Links;
  readonly igmp: IgmpSockets;
  readonly table: ForwardingTable | undefined;
  readonly taps: FrameTaps | undefined;
  readonly log: Logger;
  fatal(error: HalError): void;
}

/** What a tap is doing: an error's code while it is tried again. */
type TapState = "starting" | "listening" | string;

/** Packets of the interface and frames of its taps; undefined where a driver cannot tell. */
export interface Lost {
  readonly packets: number | undefined;
  readonly frames: number | undefined;
}

interface Tap {
  state: TapState;
  readonly dropped: () => number | undefined;
  readonly close: () => void;
}

interface Open {
  link: Link;
  readonly socket: IgmpSocket;
  readonly taps: Map<string, Tap>;
}

/**
 * When opening failed although the link is up (an address in doubt, a table that is full): tried again after 1 s, then after 2, 4 ...
 * 30 s; after 1 s again once it has lasted for 30.
 */
const REOPENING: Schedule = { first: seconds(1), ceiling: seconds(30), range: exactly, lasting: seconds(30) };

/**
 * A DHCP client that renews by taking out and putting back, or a network that is renumbered so, leaves a link without an address for an
 * instant or some seconds. The kernel forwards on without one.
 */
const ADDRESS_GRACE: Duration = seconds(10);

/** Open while their links are up and have an address, or had one just now; what cannot be opened is tried again. */
export class Interfaces {
  readonly #platform: InterfacesPlatform;
  readonly #names: readonly string[];
  /** Interfaces whose ports are tapped while they are bridges. */
  readonly #tappable: ReadonlySet<string>;
  readonly #feed: (event: RouterEvent) => void;
  readonly #open = new Map<string, Open>();
  readonly #backoffs: ReadonlyMap<string, Backoff>;
  readonly #retries = new Map<string, Alarm>();
  /** The ends of ADDRESS_GRACE. */
  readonly #graces = new Map<string, Alarm>();
  /** By sockets that are closed. */
  readonly #lostBefore = new Map<string, Lost>();
  #unwatch: (() => void) | undefined;

  constructor(
    platform: InterfacesPlatform,
    names: readonly string[],
    tappable: ReadonlySet<string>,
    feed: (event: RouterEvent) => void,
  ) {
    this.#platform = platform;
    this.#names = names;
    this.#tappable = tappable;
    this.#backoffs = new Map(names.map((name) => [name, new Backoff(REOPENING)]));
    this.#feed = feed;
  }

  /** Opens what is there and follows what changes. */
  start(): void {
    this.#unwatch = this.#platform.links.watch(this.#names, (name, link) => this.#follow(name, link));
    for (const name of this.#names) this.#follow(name, this.#platform.links.get(name));
  }

  close(): void {
    this.#unwatch?.();
    for (const alarm of this.#retries.values()) alarm.cancel();
    for (const name of [...this.#open.keys()]) this.#shut(name);
  }

  send(name: string, packet: Uint8Array): void {
    this.#open.get(name)?.socket.send(packet);
  }

  /** The link of an open interface as it was last seen; undefined while it is not. */
  link(name: string): Link | undefined {
    return this.#open.get(name)?.link;
  }

  /** The taps of an interface by bridge port. */
  taps(name: string): Readonly<Record<string, TapState>> {
    return Object.fromEntries([...(this.#open.get(name)?.taps ?? [])].map(([port, { state }]) => [port, state]));
  }

  /** What the kernel threw away because nobody read it in time. */
  lost(name: string): Lost {
    const open = this.#open.get(name);
    const before = this.#lostBefore.get(name) ?? { packets: 0, frames: 0 };
    if (open === undefined) return before;
    const frames = [...open.taps.values()].map((tap) => tap.dropped());
    return { packets: sum([before.packets, open.socket.dropped()]), frames: sum([before.frames, ...frames]) };
  }

  #isTapped(name: string, { ports }: Link): boolean {
    return this.#platform.taps !== undefined && this.#tappable.has(name) && ports.length > 0;
  }

  #follow(name: string, link: Link | undefined): void {
    const open = this.#open.get(name);
    if (open !== undefined && link !== undefined && isWithoutAddress(open.link, link)) {
      this.#waitForAddress(name);
      this.#followPorts(name, open, link);
      return;
    }
    this.#endGrace(name);
    const isServed =
      open !== undefined &&
      link !== undefined &&
      sameLink(open.link, link) &&
      this.#isTapped(name, open.link) === this.#isTapped(name, link);
    if (isServed) {
      this.#tapPorts(name, open, link);
      const isNews = JSON.stringify(open.link) !== JSON.stringify(link);
      open.link = link;
      // Another address, a second one, another prefix or MTU: nothing has to be opened anew for it.
      if (isNews) this.#tell(name, link);
      return;
    }
    if (open !== undefined) this.#lose(name);
    if (link?.up === true && link.addresses.length > 0) this.#gain(name, link);
  }

  /** Without an address, as long as it is in use: who is plugged in meanwhile is heard. */
  #followPorts(name: string, open: Open, link: Link): void {
    if (this.#isTapped(name, open.link) !== this.#isTapped(name, link)) return;
    this.#tapPorts(name, open, link);
    const { ports, topology, portVlans } = link;
    open.link = { ...open.link, ports, ...given({ topology, portVlans }) };
  }

  #waitForAddress(name: string): void {
    if (this.#graces.has(name)) return;
    const { clock, log } = this.#platform;
    const end = after(clock.now(), ADDRESS_GRACE);
    this.#graces.set(
      name,
      clock.alarm(end, () => this.#lose(name)),
    );
    log.warn(
      { interface: name, seconds: ADDRESS_GRACE / 1000 },
      "interface has lost its address: in use for so long without",
    );
  }

  #endGrace(name: string): void {
    this.#graces.get(name)?.cancel();
    this.#graces.delete(name);
  }

  #gain(name: string, link: Link): void {
    try {
      this.#platform.table?.addInterface(name);
      const socket = this.#platform.igmp.open(name, {
        packet: (bytes, from) => this.#feed({ kind: "packet", name, bytes, ...from }),
        failed: (error) => this.#failed(name, error),
      });
      const open = { link, socket, taps: new Map<string, Tap>() };
      this.#open.set(name, open);
      this.#backoffs.get(name)?.works(this.#platform.clock.now());
      this.#tapPorts(name, open, link);
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      this.#platform.table?.removeInterface(name);
      this.#failed(name, error);
      return;
    }
    this.#platform.log.info({ interface: name }, "interface is in use");
    this.#tell(name, link);
  }

  #tell(name: string, link: Link): void {
    const { addresses, mtu } = link;
    const trackingSource = this.#isTapped(name, link) ? "frames" : "packets";
    this.#feed({
      kind: "link",
      name,
      address: addresses[0]?.address,
      addresses,
      ...(mtu === undefined ? {} : { mtu }),
      trackingSource,
    });
  }

  #lose(name: string): void {
    this.#feed({ kind: "link", name, address: undefined });
    this.#shut(name);
    this.#platform.log.warn({ interface: name }, "interface is out of use");
  }

  #shut(name: string): void {
    this.#endGrace(name);
    const open = this.#open.get(name);
    this.#lostBefore.set(name, this.lost(name));
    this.#open.delete(name);
    open?.socket.close();
    for (const tap of open?.taps.values() ?? []) tap.close();
    this.#platform.table?.removeInterface(name);
  }

  #failed(name: string, error: HalError): void {
    // No waiting mends this.
    if (error.code === "igmp.permission") {
      this.#platform.fatal(error);
      return;
    }
    this.#platform.log.warn({ interface: name, code: error.code, needs: error.needs }, error.message);
    if (this.#open.has(name)) this.#lose(name);
    this.#retries.get(name)?.cancel();
    const { clock, links, entropy } = this.#platform;
    const now = clock.now();
    const wait = this.#backoffs.get(name)?.failed(now, entropy) ?? REOPENING.first;
    this.#retries.set(
      name,
      clock.alarm(after(now, wait), () => this.#follow(name, links.get(name))),
    );
  }

  #tapPorts(name: string, open: Open, link: Link): void {
    const { taps } = this.#platform;
    if (taps === undefined || !this.#isTapped(name, link)) return;
    for (const [port, tap] of open.taps) {
      if (link.ports.includes(port)) continue;
      const { packets, frames } = this.#lostBefore.get(name) ?? { packets: 0, frames: 0 };
      this.#lostBefore.set(name, { packets, frames: sum([frames, tap.dropped()]) });
      tap.close();
      open.taps.delete(port);
    }
    for (const port of link.ports) if (!open.taps.has(port)) open.taps.set(port, this.#tap(taps, name, port));
    const { ports, topology = "" } = link;
    this.#feed({ kind: "bridge", name, ports, topology, ...given({ tags: tagsOf(link) }) });
  }

  #tap(taps: FrameTaps, name: string, port: string): Tap {
    const { log } = this.#platform;
    const tap: Tap = { state: "starting", dropped: () => driver.dropped(), close: () => driver.close() };
    const driver = taps.open(port, {
      frame: (bytes, vouched) =>
        this.#feed({ kind: "frame", name, port, bytes, ...given({ vouched, lan: lanOf(this.link(name), port) }) }),
      interrupted: ({ code, message, needs }) => {
        tap.state = code;
        log.warn({ interface: name, port, code, needs }, message);
      },
      resumed: () => {
        // It has missed what was said meanwhile.
        if (tap.state !== "starting") this.#feed({ kind: "ask-all", name });
        tap.state = "listening";
        log.info({ interface: name, port }, "tap is listening");
      },
    });
    return tap;
  }
}

/** Which frames of the port are of the LAN. */
function lanOf(link: Link | undefined, port: string): PortLan | undefined {
  const how = link?.portVlans?.[port];
  return link?.vlan === undefined || how === undefined ? undefined : { vlan: link.vlan, pvid: how.pvid };
}

/** With which tag frames of the LAN go out. */
function tagsOf({ vlan, portVlans }: Link): PortTags | undefined {
  const all = Object.entries(portVlans ?? {});
  return portVlans && Object.fromEntries(all.map(([port, { untagged }]) => [port, untagged ? undefined : vlan]));
}

const sum = (counts: readonly (number | undefined)[]): number | undefined =>
  counts.reduce((all, one) => (all === undefined || one === undefined ? undefined : all + one), 0);

const isWithoutAddress = (was: Link, { index, up, addresses }: Link): boolean =>
  was.index === index && up && addresses.length === 0;

/** Whether sockets and virtual interface of the one serve the other: both are told the interface by its index, not by its address. */
const sameLink = (a: Link, b: Link): boolean => a.index === b.index && b.up && b.addresses.length > 0;
