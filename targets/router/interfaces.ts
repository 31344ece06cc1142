// The interfaces of a running router: sockets, virtual interfaces and taps that follow the links as these come and go.
import { after, milliseconds } from "../../core/base/time.ts";
import type { Alarm, Clock } from "../../core/ports/clock.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { ForwardingTable } from "../../core/ports/forwarding.ts";
import type { FrameTap, FrameTaps } from "../../core/ports/frame-tap.ts";
import type { IgmpSocket, IgmpSockets } from "../../core/ports/igmp-socket.ts";
import type { Link, Links } from "../../core/ports/links.ts";
import type { RouterEvent } from "../../core/router/options.ts";
import type { Logger } from "../shared/log.ts";

export interface InterfacePowers {
  readonly clock: Clock;
  readonly links: Links;
  readonly igmp: IgmpSockets;
  readonly table: ForwardingTable | undefined;
  readonly taps: FrameTaps | undefined;
  readonly log: Logger;
}

interface Open {
  readonly link: Link;
  readonly socket: IgmpSocket;
  readonly taps: Map<string, FrameTap>;
}

/** When opening failed although the link is up (an address in doubt, a table that is full). */
const TRY_AGAIN = milliseconds(1000);

export class Interfaces {
  readonly #powers: InterfacePowers;
  readonly #names: readonly string[];
  /** Interfaces whose bridge ports are tapped. */
  readonly #tapped: ReadonlySet<string>;
  readonly #feed: (event: RouterEvent) => void;
  readonly #open = new Map<string, Open>();
  readonly #retries = new Map<string, Alarm>();
  #unwatch: (() => void) | undefined;

  constructor(
    powers: InterfacePowers,
    names: readonly string[],
    tapped: ReadonlySet<string>,
    feed: (event: RouterEvent) => void,
  ) {
    this.#powers = powers;
    this.#names = names;
    this.#tapped = tapped;
    this.#feed = feed;
  }

  /** Opens what is there and follows what changes. */
  start(): void {
    this.#unwatch = this.#powers.links.watch(this.#names, (name, link) => this.#follow(name, link));
    for (const name of this.#names) this.#follow(name, this.#powers.links.get(name));
  }

  close(): void {
    this.#unwatch?.();
    for (const retry of this.#retries.values()) retry.cancel();
    for (const name of [...this.#open.keys()]) this.#shut(name);
  }

  send(name: string, packet: Uint8Array): void {
    this.#open.get(name)?.socket.send(packet);
  }

  /** The link as it was when the interface was opened; undefined while it is not. */
  link(name: string): Link | undefined {
    return this.#open.get(name)?.link;
  }

  #follow(name: string, link: Link | undefined): void {
    const open = this.#open.get(name);
    if (open !== undefined && link !== undefined && sameLink(open.link, link)) {
      this.#tapPorts(name, open, link);
      return;
    }
    if (open !== undefined) this.#lose(name);
    if (link?.up === true && link.addresses.length > 0) this.#gain(name, link);
  }

  #gain(name: string, link: Link): void {
    const [first] = link.addresses;
    if (first === undefined) return;
    try {
      this.#powers.table?.addInterface(name);
      const socket = this.#powers.igmp.open(name, {
        packet: (bytes) => this.#feed({ kind: "packet", name, bytes }),
        failed: (error) => this.#failed(name, error),
      });
      const open = { link, socket, taps: new Map<string, FrameTap>() };
      this.#open.set(name, open);
      this.#tapPorts(name, open, link);
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      this.#powers.table?.removeInterface(name);
      this.#failed(name, error);
      return;
    }
    this.#powers.log.info({ interface: name }, "interface is in use");
    this.#feed({ kind: "link", name, address: first.address });
  }

  #lose(name: string): void {
    this.#feed({ kind: "link", name, address: undefined });
    this.#shut(name);
    this.#powers.log.warn({ interface: name }, "interface is out of use");
  }

  #shut(name: string): void {
    const open = this.#open.get(name);
    this.#open.delete(name);
    open?.socket.close();
    for (const tap of open?.taps.values() ?? []) tap.close();
    this.#powers.table?.removeInterface(name);
  }

  #failed(name: string, error: HalError): void {
    this.#powers.log.warn({ interface: name, code: error.code, needs: error.needs }, error.message);
    if (this.#open.has(name)) this.#lose(name);
    this.#retries.get(name)?.cancel();
    const { clock, links } = this.#powers;
    const again = clock.alarm(after(clock.now(), TRY_AGAIN), () => this.#follow(name, links.get(name)));
    this.#retries.set(name, again);
  }

  #tapPorts(name: string, open: Open, { ports }: Link): void {
    const { taps } = this.#powers;
    if (taps === undefined || !this.#tapped.has(name)) return;
    for (const [port, tap] of open.taps) {
      if (ports.includes(port)) continue;
      tap.close();
      open.taps.delete(port);
    }
    for (const port of ports) if (!open.taps.has(port)) open.taps.set(port, this.#tap(taps, name, port));
  }

  #tap(taps: FrameTaps, name: string, port: string): FrameTap {
    const { log } = this.#powers;
    return taps.open(port, {
      frame: (bytes) => this.#feed({ kind: "frame", name, port, bytes }),
      interrupted: ({ code, message }) => log.warn({ interface: name, port, code }, message),
      resumed: () => log.info({ interface: name, port }, "tap is listening"),
    });
  }
}

/** Whether sockets and virtual interface of the one serve the other. */
const sameLink = (a: Link, b: Link): boolean =>
  a.index === b.index && b.up && a.addresses[0]?.address === b.addresses[0]?.address;
