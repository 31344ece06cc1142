// One interface with receivers behind it: who asks and listens there, its bridge ports, and what is known of the link.

import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { inSubnet, type Subnet } from "../base/subnet.ts";
import { earliest, type Instant } from "../base/time.ts";
import type { Admission } from "../igmp/admission.ts";
import { admits, NO_SOURCE, type SourceFilter } from "../igmp/filter.ts";
import type { RouterInterfaceOptions } from "../igmp/interface-events.ts";
import { portLimits } from "../igmp/limits.ts";
import type { PortView } from "../igmp/port-table.ts";
import { RouterInterface } from "../igmp/router-interface.ts";
import type { MembershipWire } from "../igmp/wire.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { DownstreamOptions } from "./options.ts";
import { ProxyReports } from "./proxy-reports.ts";
import { Snooping, type SnoopingEffect } from "./snooping.ts";
import { staticFilter, withStatic } from "./static-groups.ts";

/** Its options may be replaced; machine and bridge ports stay. */
export class Downstream<A extends Address = Ipv4> {
  readonly machine: RouterInterface<A>;
  /** Of the bridge ports; undefined where nothing is kept of them. */
  readonly snooping: Snooping<A> | undefined;
  /** What routers behind them are told in place of hosts' reports; undefined where they hear the hosts. */
  readonly reports: ProxyReports<A> | undefined;
  options: DownstreamOptions<A>;
  up = false;
  /** Its own addresses; undefined while nobody knows their prefixes. */
  subnets: readonly Subnet<A>[] | undefined;

  /** Throws RangeError for IGMP options that `checkTimes` faults. */
  constructor(wire: MembershipWire<A>, options: DownstreamOptions<A>, admission: Admission<A>, entropy: Entropy) {
    this.options = options;
    const { snooping = false, proxyReports: source, igmp = {} } = options;
    this.reports =
      snooping && source !== undefined
        ? new ProxyReports<A>(wire, entropy, { version: igmp.version ?? 3, source })
        : undefined;
    this.machine = new RouterInterface<A>(wire, this.igmpOptions, admission);
    this.snooping = snooping ? new Snooping<A>(this.machine, portLimits(igmp)) : undefined;
  }

  /** For the machine: what rules call the interface's VLAN is what its frames bear. */
  get igmpOptions(): RouterInterfaceOptions<A> {
    const { igmp, vlan } = this.options;
    return { ...igmp, ...(vlan === undefined ? {} : { vlan }), defers: this.reports !== undefined };
  }

  get name(): string {
    return this.options.name;
  }

  /** Whether we forward to it, whoever asks there. */
  get isForwarder(): boolean {
    return this.options.forwarder !== "elected" || this.machine.querier.kind === "querier";
  }

  /** Whether every report of a host that asks for the whole group counts here, whoever sent it and however. */
  hearsAll(group: A): boolean {
    const {
      requireRouterAlert,
      verifySourceSubnet,
      sourceSpecific = this.machine.wire.sourceSpecific,
    } = this.options.igmp ?? {};
    if (!this.up || requireRouterAlert === true || verifySourceSubnet === true) return false;
    return !sourceSpecific.some((subnet) => inSubnet(subnet, group));
  }

  /** What of a group is delivered whoever is there, by the options. */
  staticFilter(group: A): SourceFilter<A> {
    return staticFilter(this.options.staticGroups ?? [], group);
  }

  isStatic(group: A, source: A): boolean {
    return this.up && admits(this.staticFilter(group), source);
  }

  /** What hosts behind each bridge port want of the groups that it gets. */
  portMemberships(now: Instant): readonly SnoopingEffect<A>[] {
    const gets = (this.ports(now) ?? []).map(({ port, groups }) => [port, groups.map(({ group }) => group)] as const);
    return this.#heardOn(now, gets);
  }

  /** What a bridge port gets of a group, whoever is behind it. */
  staticOn(port: string, group: A): SourceFilter<A> {
    return this.snooping?.ports.includes(port) === true ? this.staticFilter(group) : NO_SOURCE;
  }

  /** What hosts behind bridge ports want of these groups, which may be nothing. */
  portsWant(now: Instant, ports: readonly string[], groups: readonly A[]): readonly SnoopingEffect<A>[] {
    if (groups.length === 0) return [];
    return this.#heardOn(
      now,
      ports.map((port) => [port, groups] as const),
    );
  }

  #heardOn(
    now: Instant,
    gets: readonly (readonly [port: string, groups: readonly A[]])[],
  ): readonly SnoopingEffect<A>[] {
    const views = this.snooping?.view(now) ?? [];
    return gets.flatMap(([port, groups]) => {
      const heard = views.find((one) => one.port === port)?.groups ?? [];
      const filters = new Map(heard.map(({ group, filter }) => [group, filter]));
      return groups.map(
        (group) => ({ kind: "port-membership", port, group, filter: filters.get(group) ?? NO_SOURCE }) as const,
      );
    });
  }

  ports(now: Instant): readonly PortView<A>[] | undefined {
    const { snooping, options } = this;
    return snooping && withStatic<A>(snooping.view(now), snooping.ports, options.staticGroups ?? []);
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.machine.nextDeadline(), this.snooping?.nextDeadline(), this.reports?.nextDeadline()]);
  }
}
