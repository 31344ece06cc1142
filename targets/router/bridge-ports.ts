// The multicast tables of the router's bridges: opened when a bridge is there, filled with what its ports want, given back at the end.
import type { Alarm } from "../../core/base/alarm.ts";
import { formatIpv4 } from "../../core/base/ipv4.ts";
import { after, type Duration, seconds } from "../../core/base/time.ts";
import { type SourceFilter, wantsNothing } from "../../core/igmp/filter.ts";
import type { PortEffect, PortView } from "../../core/igmp/port-table.ts";
import type { BridgeTable, BridgeTables } from "../../core/ports/bridge-table.ts";
import type { Clock } from "../../core/ports/clock.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Link } from "../../core/ports/links.ts";
import type { RouterEffect } from "../../core/router/options.ts";
import { explain } from "../shared/exit.ts";
import type { Logger } from "../shared/log.ts";
import type { SnoopingStatus } from "./status.ts";

/** What they stand on. */
export interface BridgePortsPlatform {
  readonly clock: Clock;
  readonly log: Logger;
  readonly tables: BridgeTables;
  /** What each port of the bridge gets as the router knows it now. */
  memberships(bridge: string): readonly RouterEffect[];
  /** All hosts of the bridge are to be asked. */
  ask(bridge: string): void;
  /** Whether we are the one who asks there. */
  asks(bridge: string): boolean;
  /** Whether the port has a tap that does not listen at the moment. */
  isDeaf(bridge: string, port: string): boolean;
  /** The bridge is kept, and has these ports; behind some of them are routers. */
  routers(bridge: string, ports: readonly string[], routers: readonly string[]): void;
  /** It is not kept any more. */
  released(bridge: string): void;
}

/** How one bridge is kept. */
export interface KeptBridge {
  readonly name: string;
  /** Ports with a router behind them that need not be heard. */
  readonly routerPorts: readonly string[];
  /** Within which hosts answer our questions of a start. */
  readonly response: Duration;
  /** Within which every host has been asked, whoever asks: one group membership interval. */
  readonly lifetime: Duration;
  /** The longest that nobody asks on it, whoever does, unless somebody who did has gone and we ask after him. */
  readonly silence: Duration;
}

type PortMembership = Extract<PortEffect, { kind: "port-membership" }> & { readonly name: string };

const keyOf = ({ name, port, group }: PortMembership): string => `${name} ${port} ${group}`;

/** Beyond a response time, for what is under way. */
const MARGIN: Duration = seconds(1);

/** Bridges that are not there yet are waited for; those whose table may not be had go on as they are, and the log says so. */
export class BridgePorts {
  readonly #platform: BridgePortsPlatform;
  readonly #kept: ReadonlyMap<string, KeptBridge>;
  readonly #tables = new Map<string, BridgeTable>();
  /** Of which bridge, and which of its VLANs, each table is. */
  readonly #places = new Map<string, string>();
  readonly #alarms = new Map<string, Alarm>();
  readonly #refused = new Map<string, string>();
  /** Of each bridge whose ports are heard. */
  readonly #ports = new Map<string, readonly string[]>();
  /** Ports behind which we hear a router, by bridge. */
  readonly #heard = new Map<string, Set<string>>();
  /** Ports behind which the bridge knew one before us. */
  readonly #found = new Map<string, readonly string[]>();
  /** Those of the heard that have fallen silent while nobody listened: perhaps they did not. */
  readonly #silent = new Map<string, Set<string>>();
  /** What ended on a port that nobody heard: perhaps it did not. */
  readonly #doubtful = new Map<string, PortMembership>();

  constructor(platform: BridgePortsPlatform, kept: readonly KeptBridge[]) {
    this.#platform = platform;
    this.#kept = new Map(kept.map((one) => [one.name, one]));
  }

  /** The bridge, or VLAN of one, is in use, for the first time or again; with another number it is another of the same name. */
  follow(link: Link): void {
    const { name } = link;
    const [kept, place] = [this.#kept.get(name), placeOf(link)];
    if (kept === undefined || (this.#tables.has(name) && this.#places.get(name) === place)) return;
    this.#release(name);
    const table = this.#open(link, kept);
    if (table === undefined) return;
    this.#tables.set(name, table);
    this.#places.set(name, place);
    this.#keepFound(kept, table);
    for (const effect of this.#platform.memberships(name)) if (effect.kind === "port-membership") this.apply(effect);
    this.#askAgain(kept, table);
  }

  /** Something between the ports has changed: a port that left and came back has lost what it had, or is another of the same name. */
  changed(name: string, ports: readonly string[]): void {
    this.#ports.set(name, ports);
    this.#markRouters(name);
    for (const effect of this.#platform.memberships(name)) if (effect.kind === "port-membership") this.apply(effect);
    this.#tables.get(name)?.restore();
  }

  apply(effect: PortEffect & { readonly name: string }): void {
    if (effect.kind === "port-membership") this.#set(effect);
    else this.#routerPort(effect);
  }

  #routerPort({ name, port, present }: Extract<PortEffect, { kind: "router-port" }> & { readonly name: string }): void {
    const [heard, silent] = [portsIn(this.#heard, name), portsIn(this.#silent, name)];
    silent.delete(port);
    if (present) heard.add(port);
    else if (this.#platform.isDeaf(name, port)) silent.add(port);
    else heard.delete(port);
    this.#markRouters(name);
    this.#platform.log.info(
      { interface: name, port },
      present ? "a router is behind a bridge port" : "no router is behind a bridge port any more",
    );
  }

  /** A router that the bridge knew is given the time in which it lets itself be heard. */
  #keepFound(kept: KeptBridge, table: BridgeTable): void {
    this.#found.set(kept.name, table.routersFound());
    this.#markRouters(kept.name);
    this.#wait(`${kept.name} routers`, kept.lifetime, () => {
      this.#found.delete(kept.name);
      this.#markRouters(kept.name);
    });
  }

  #isRouters(kept: KeptBridge, port: string): boolean {
    const heard = this.#heard.get(kept.name)?.has(port) === true;
    return heard || kept.routerPorts.includes(port) || this.#found.get(kept.name)?.includes(port) === true;
  }

  /**
   * The bridge itself takes every query for a router's (RFC 4541 2.1.1 (1)), one that we refuse too, and would give that port every
   * stream. Where we hear the ports we tell it.
   */
  #markRouters(name: string): void {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    const ports = this.#ports.get(name) ?? [];
    const routers = ports.filter((port) => this.#isRouters(kept, port));
    const others = ports.filter((port) => !routers.includes(port));
    const table = this.#tables.get(name);
    table?.routerPorts([...new Set([...kept.routerPorts, ...routers])], others);
    if (table !== undefined && this.#ports.has(name)) this.#platform.routers(name, ports, routers);
  }

  /** While a tap is deaf, its port keeps what it had: silence is no sign that a viewer has gone. */
  #set(membership: PortMembership): void {
    const { name, port, group, filter, refused } = membership;
    const key = keyOf(membership);
    this.#doubtful.delete(key);
    if (refused === true && wantsNothing(filter)) {
      this.#tables.get(name)?.refuse(port, group);
      return;
    }
    if (wantsNothing(filter) && this.#platform.isDeaf(name, port)) this.#doubtful.set(key, membership);
    else this.#tables.get(name)?.set(port, group, filter);
  }

  /** A tap listens again and all have been asked: what nobody has said in answer is over. */
  hearsAgain(name: string): void {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    this.#whenAnswered(`${name} again`, kept, () => {
      for (const membership of [...this.#doubtful.values()]) if (membership.name === name) this.#set(membership);
    });
    // A router asks in its own time.
    this.#wait(`${name} silent`, kept.lifetime, () => {
      for (const port of portsIn(this.#silent, name))
        this.#routerPort({ kind: "router-port", name, port, present: false });
    });
  }

  /**
   * Until the bridge has known a querier for its response time it floods reports too, so that v2 hosts on other ports keep silent (RFC
   * 2236 section 6) and their ports are not known: all are asked again then. Who has not answered that either is gone.
   */
  #askAgain(kept: KeptBridge, table: BridgeTable): void {
    this.#wait(kept.name, kept.response, () => {
      this.#platform.ask(kept.name);
      this.#whenAnswered(kept.name, kept, () => table.confirm());
    });
  }

  /** Another router asks when it is time. */
  #whenAnswered(what: string, { name, response, lifetime }: KeptBridge, then: () => void): void {
    this.#wait(what, this.#platform.asks(name) ? response : lifetime, then);
  }

  #wait(what: string, span: Duration, then: () => void): void {
    const { clock } = this.#platform;
    this.#alarms.get(what)?.cancel();
    this.#alarms.set(what, clock.alarm(after(after(clock.now(), span), MARGIN), then));
  }

  #open(link: Link, { silence }: KeptBridge): BridgeTable | undefined {
    const { name } = link;
    const { bridge, vlan } = tablePlace(link);
    try {
      const table = this.#platform.tables.open(bridge, { vlan, silence });
      this.#refused.delete(name);
      return table;
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      this.#refused.set(name, error.code);
      this.#platform.log.warn({ interface: name, code: error.code }, explain(error));
      return undefined;
    }
  }

  #release(name: string): void {
    for (const what of [name, `${name} again`, `${name} routers`, `${name} silent`]) {
      this.#alarms.get(what)?.cancel();
      this.#alarms.delete(what);
    }
    for (const [key, membership] of this.#doubtful) if (membership.name === name) this.#doubtful.delete(key);
    this.#tables.get(name)?.close();
    this.#tables.delete(name);
    this.#platform.released(name);
  }

  close(): void {
    for (const name of [...this.#tables.keys()]) this.#release(name);
  }

  /** For status; undefined where the ports are not kept. `state` is an error's code where the bridge's table is not ours. */
  status(name: string, views: readonly PortView[] = []): SnoopingStatus | undefined {
    const kept = this.#kept.get(name);
    if (kept === undefined) return undefined;
    const table = this.#tables.get(name);
    return {
      state: this.#refused.get(name) ?? (table === undefined ? "waiting" : "kept"),
      counts: table?.counts(),
      perPort: views.map(({ port, router, groups }) => ({
        port,
        router: router || this.#isRouters(kept, port),
        groups: groups.map(({ group, filter }) => ({ group: formatIpv4(group), ...filterText(filter) })),
      })),
    };
  }
}

/** A multicast table: of this bridge, and of this VLAN where it has others too. */
export interface TablePlace {
  readonly bridge: string;
  readonly vlan?: number | undefined;
}

/** Where the table of the interface is. */
export const tablePlace = ({ name, bridge = name, vlan, portVlans }: Link): TablePlace =>
  portVlans === undefined ? { bridge } : { bridge, vlan };

function placeOf(link: Link): string {
  const { bridge, vlan } = tablePlace(link);
  return `${link.index} ${bridge} ${vlan}`;
}

function portsIn(all: Map<string, Set<string>>, name: string): Set<string> {
  const known = all.get(name) ?? new Set();
  all.set(name, known);
  return known;
}

/** For status. */
export const filterText = ({ mode, sources }: SourceFilter) => ({ mode, sources: sources.map(formatIpv4) });
