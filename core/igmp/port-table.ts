// What each port of a bridge wants (RFC 4541 2.1): a group table for each, of what its hosts are heard to say, and where routers are.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, earliest, type Instant } from "../base/time.ts";
import { NO_SOURCE, type SourceFilter, wantsNothing } from "./filter.ts";
import {
  type GroupChange,
  type GroupDrop,
  GroupTable,
  type GroupView,
  type TableContext,
  type TableLimits,
} from "./group-table.ts";
import type { TrackedHost } from "./host-shares.ts";
import type { InterfaceDrop, PortFrame } from "./interface-events.ts";
import type { HostStatement } from "./messages/host-statement.ts";
import type { IgmpPacket } from "./messages/packet.ts";
import type { HeardQuery } from "./query-guard.ts";
import type { RouterInterface } from "./router-interface.ts";
import { heardQuery } from "./wire.ts";

/** What the bridge is to do. */
export type PortEffect<A extends Address = Ipv4> =
  /** The port gets this of the group, and nothing of it with INCLUDE({}). */
  | {
      readonly kind: "port-membership";
      readonly port: string;
      readonly group: A;
      readonly filter: SourceFilter<A>;
      /** A host behind it asked in vain: the bridge, which knows of no policy, is not to open the port when it asks again. */
      readonly refused?: true;
    }
  /** A router was heard behind the port, or has not been heard for too long. */
  | { readonly kind: "router-port"; readonly port: string; readonly present: boolean };

/** The interface honours what the host said, and its port has no room for another group or source. */
export interface PortDrop<A extends Address = Ipv4> {
  readonly kind: "drop";
  readonly reason: "igmp.port-full";
  readonly host: TrackedHost<A>;
  readonly group: A;
}

/** One port as status shows it. */
export interface PortView<A extends Address = Ipv4> {
  readonly port: string;
  /** A router is behind it: it gets every group. */
  readonly router: boolean;
  readonly groups: readonly GroupView<A>[];
}

/** The interface whose ports they are: its gate, its policy, and what it is at the moment. */
export type PortsOwner<A extends Address = Ipv4> = Pick<
  RouterInterface<A>,
  "tableContext" | "wire" | "ofLan" | "admit" | "judge" | "isWatchedBehind" | "heeds"
>;

interface Port<A extends Address = Ipv4> {
  readonly groups: GroupTable<A>;
  /** RFC 4541 2.1.1 (1): so long it counts as a router's. */
  routerUntil: Instant | undefined;
}

/**
 * The leaves of a port are asked about by the link's querier, which hears them too: of a port's own table the timers count, and its
 * questions are not sent.
 */
export class PortTable<A extends Address = Ipv4> {
  readonly #limits: TableLimits;
  readonly #machine: PortsOwner<A>;
  readonly #ports = new Map<string, Port<A>>();

  /** @param limits of each port. */
  constructor(machine: PortsOwner<A>, limits: TableLimits) {
    this.#machine = machine;
    this.#limits = limits;
  }

  get #context(): TableContext<A> {
    return this.#machine.tableContext;
  }

  /** What the interface does not honour is the interface's to count. */
  frame(now: Instant, { port, bytes, vouched, lan }: PortFrame): readonly (PortEffect<A> | PortDrop<A>)[] {
    const checked = this.#machine.ofLan(bytes, lan);
    if (typeof checked === "string") return [];
    const packet = this.#machine.admit(checked.packet, vouched);
    if (typeof packet === "string") return this.#sign(now, port, checked.packet, packet);
    const address = this.#machine.wire.senderOf(packet);
    return this.#packet(now, { port, mac: checked.mac, address }, packet, checked.unicast);
  }

  #packet(
    now: Instant,
    host: TrackedHost<A>,
    packet: IgmpPacket,
    unicast: boolean,
  ): readonly (PortEffect<A> | PortDrop<A>)[] {
    switch (packet.kind) {
      case "v1Query":
      case "v2Query":
      case "v3Query":
        return this.#query(now, heardQuery(this.#machine.wire, host, packet, unicast));
      case "v1Report":
      case "v2Report":
      case "v3Report":
      case "leave":
        return this.#machine.wire.statementsIn(packet).flatMap((statement) => this.#statement(now, host, statement));
    }
  }

  #statement(now: Instant, host: TrackedHost<A>, said: HostStatement<A>): readonly (PortEffect<A> | PortDrop<A>)[] {
    // 2.1.2 (2): 224.0.0.0/24 goes to every port.
    if (this.#machine.wire.family.isLinkLocalMulticast(said.group)) return [];
    const { groups } = this.#port(host.port);
    const statement = this.#machine.judge(now, host, said);
    if (statement !== undefined) return this.#honoured(now, host, groups, statement);
    return this.#shut(now, host, said.group);
  }

  /** A host behind the port is refused the group: it gets nothing, unless it goes to others there. */
  #shut(now: Instant, { port }: TrackedHost<A>, group: A): readonly PortEffect<A>[] {
    const groups = this.#ports.get(port)?.groups;
    if (groups === undefined || !wantsNothing(groups.filter(now, group))) return [];
    return [{ kind: "port-membership", port, group, filter: NO_SOURCE, refused: true }];
  }

  #honoured(
    now: Instant,
    host: TrackedHost<A>,
    groups: GroupTable<A>,
    statement: HostStatement<A>,
  ): (PortEffect<A> | PortDrop<A>)[] {
    const changes = groups.hear(now, statement, this.#context);
    const isFull = changes.some((change) => change.kind === "drop" && isForWantOfRoom(change.reason));
    const { group } = statement;
    const drops: PortDrop<A>[] = isFull ? [{ kind: "drop", reason: "igmp.port-full", host, group }] : [];
    return [...effectsOf(host.port, changes), ...drops];
  }

  /** The packet of a host behind a port was not honoured after all: the port gets the group for others there, or no more. */
  refused(now: Instant, host: TrackedHost<A>, group: A): readonly PortEffect<A>[] {
    const { port } = host;
    const groups = this.#machine.isWatchedBehind(port, group) ? undefined : this.#ports.get(port)?.groups;
    const ended = groups?.end(group) ?? [];
    return ended.length === 0 ? [] : this.#shut(now, host, group);
  }

  /** 2.1.1 (1): a query from 0.0.0.0 is a switch's, and no sign of a router; nor is one that does not count on the interface. */
  #query(now: Instant, heard: HeardQuery<A>): readonly PortEffect<A>[] {
    if (!this.#machine.heeds(heard)) return [];
    const { query } = heard;
    const context = this.#context;
    // A question about a group goes to every port: who does not answer it is gone.
    const lowered = [...this.#ports].flatMap(([name, { groups }]) =>
      effectsOf(name, groups.heardQuery(now, query, context)),
    );
    return [...this.#router(now, heard.from.port), ...lowered];
  }

  #sign(now: Instant, port: string, packet: Uint8Array, refused: InterfaceDrop): readonly PortEffect<A>[] {
    switch (this.#machine.wire.routerSign(packet, refused)) {
      case "present":
        return this.#router(now, port);
      case "gone":
        return this.#noRouter(port);
      case undefined:
        return [];
    }
  }

  #router(now: Instant, name: string): readonly PortEffect<A>[] {
    const port = this.#port(name);
    const known = port.routerUntil !== undefined;
    port.routerUntil = after(now, this.#context.times.otherQuerierPresentInterval);
    return known ? [] : [{ kind: "router-port", port: name, present: true }];
  }

  #noRouter(name: string): readonly PortEffect<A>[] {
    const port = this.#ports.get(name);
    if (port?.routerUntil === undefined) return [];
    port.routerUntil = undefined;
    return [{ kind: "router-port", port: name, present: false }];
  }

  /** As many ports as are tapped. */
  #port(name: string): Port<A> {
    const known = this.#ports.get(name);
    if (known !== undefined) return known;
    const port: Port<A> = { groups: new GroupTable<A>(this.#limits), routerUntil: undefined };
    this.#ports.set(name, port);
    return port;
  }

  /** The bridge has these ports; what was known of others is over. */
  keep(names: readonly string[]): readonly PortEffect<A>[] {
    const gone = [...this.#ports].filter(([name]) => !names.includes(name));
    return gone.flatMap(([name, { groups }]) => {
      const effects = [...this.#noRouter(name), ...effectsOf(name, groups.clear())];
      this.#ports.delete(name);
      return effects;
    });
  }

  /** The interface has other options. */
  settle(now: Instant): readonly PortEffect<A>[] {
    return [...this.#ports].flatMap(([name, { groups }]) => effectsOf(name, groups.settle(now, this.#context)));
  }

  /** It is proven that nobody on the link wants the group any more. */
  endGroup(group: A): readonly PortEffect<A>[] {
    return [...this.#ports].flatMap(([name, { groups }]) => effectsOf(name, groups.end(group)));
  }

  poll(now: Instant): readonly PortEffect<A>[] {
    const context = this.#context;
    return [...this.#ports].flatMap(([name, port]) => [
      ...effectsOf(name, port.groups.poll(now, context)),
      ...(port.routerUntil !== undefined && port.routerUntil <= now ? this.#noRouter(name) : []),
    ]);
  }

  nextDeadline(): Instant | undefined {
    return earliest(
      Array.from(this.#ports.values(), ({ groups, routerUntil }) => earliest([groups.nextDeadline(), routerUntil])),
    );
  }

  /** Every port that has said something. */
  view(now: Instant): readonly PortView<A>[] {
    const { version } = this.#context;
    return Array.from(this.#ports, ([port, { groups, routerUntil }]) => ({
      port,
      router: routerUntil !== undefined,
      groups: groups.view(now, version),
    }));
  }
}

const isForWantOfRoom = (reason: GroupDrop): boolean =>
  reason === "igmp.too-many-groups" || reason === "igmp.too-many-sources";

/** The table's own questions are the interface's to ask, and what is no message that counts is its to count. */
const effectsOf = <A extends Address>(port: string, changes: readonly GroupChange<A>[]): readonly PortEffect<A>[] =>
  changes.flatMap((change) =>
    change.kind === "membership" ? [{ ...change, kind: "port-membership" as const, port }] : [],
  );
