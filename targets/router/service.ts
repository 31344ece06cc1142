// The running router: applies the machine's effects to sockets, the kernel's multicast routing and the evidence.

import { formatIpv4, type Ipv4, isLinkLocalMulticast, isMulticast } from "../../core/base/ipv4.ts";
import { Runner } from "../../core/base/runner.ts";
import { inSubnet } from "../../core/base/subnet.ts";
import { after, type Duration, milliseconds, type UnixTime, wholeUnixTime } from "../../core/base/time.ts";
import type { MembershipChange } from "../../core/control/messages.ts";
import type { TrackedHost } from "../../core/igmp/host-shares.ts";
import type { HostMembership } from "../../core/igmp/host-table.ts";
import { destinationAddress, hasRouterAlert, headerLength, sourceAddress } from "../../core/igmp/ip-header.ts";
import { checkPacket } from "../../core/igmp/packet.ts";
import { timesOf } from "../../core/igmp/times.ts";
import { IGMP } from "../../core/igmp/wire.ts";
import type { BridgeTables } from "../../core/ports/bridge-table.ts";
import type { Enforcement, GuardedPorts } from "../../core/ports/enforcement.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Forwarding, ForwardingTable } from "../../core/ports/forwarding.ts";
import type { FrameOrigins } from "../../core/ports/frame-origin.ts";
import type { Link } from "../../core/ports/links.ts";
import type { RouterEffect, RouterEvent, RouterOptions } from "../../core/router/options.ts";
import { Router } from "../../core/router/router.ts";
import type { BridgeQueriers } from "../../hal/links/bridge-querier.ts";
import { lackOf } from "../../hal/links/words.ts";
import type { Commands } from "../shared/admin.ts";
import { explain } from "../shared/exit.ts";
import { Afterwards } from "./afterwards.ts";
import { BridgePorts } from "./bridge-ports.ts";
import { given, type RouterConfig, snooped, type UpstreamConfig, upstreamsOf } from "./config.ts";
import type { DriverChoice } from "./drivers.ts";
import { farewellText, type Leave } from "./farewell.ts";
import { Interfaces, type InterfacesPlatform } from "./interfaces.ts";
import { changeWord, type MembershipReports } from "./membership-reports.ts";
import { metricsText, type ProcessUse } from "./metrics.ts";
import { Offenders } from "./offenders.ts";
import { sampleOf } from "./sample.ts";
import { Statistics } from "./statistics.ts";
import type { RouterStatus } from "./status.ts";
import { hostStatus, intruderStatus, routerStatus, type StatusParts } from "./status-of.ts";
import { why } from "./why.ts";

/** What a router says to control, and asks it. */
export type Control = Pick<MembershipReports, "add" | "refused" | "inquire" | "status" | "close">;

/** What a router stands on. */
export interface RouterPlatform extends Omit<InterfacesPlatform, "table"> {
  /** undefined: querier and evidence only. */
  readonly forwarding: Forwarding | undefined;
  /** undefined: bridges deliver as they do by themselves. */
  readonly bridges?: BridgeTables | undefined;
  /** Without, an intruder is named by the address that it chose. */
  readonly origins?: FrameOrigins | undefined;
  readonly membershipReports: Control | undefined;
  /** Keeps a bridge's ports to what control permits; undefined: hosts are refused, but not kept from what their neighbours have. */
  readonly enforcement?: Enforcement | undefined;
  readonly bridgeQueriers: Pick<BridgeQueriers, "silence" | "restore">;
  /** Runs work once the packets that are there have been heard; without, effects come about in their order. */
  readonly later?: (work: () => void) => void;
  /** For status: which driver serves a port. */
  readonly drivers?: Readonly<Record<string, DriverChoice>>;
}

/** How long the sockets have to send the leaves of the upstream. */
const FAREWELL: Duration = milliseconds(50);
/** Sources of an exact filter that a report carries. */
const REPORTED_SOURCES = 64;

/** What viewers wait for: routes, and what a bridge passes on. */
const DELIVERING: ReadonlySet<RouterEffect["kind"]> = new Set([
  "route",
  "unroute",
  "port-membership",
  "router-port",
  "passes",
  "stand",
]);

/** Runs until `stop`. */
export class RouterService {
  readonly #platform: RouterPlatform;
  readonly #router: Router;
  readonly #runner: Runner<RouterEvent, RouterEffect>;
  readonly #afterwards: Afterwards<RouterEffect>;
  readonly #table: ForwardingTable | undefined;
  readonly #interfaces: Interfaces;
  readonly #bridgePorts: BridgePorts | undefined;
  readonly #guard: GuardedPorts | undefined;
  readonly #unwatch: () => void;
  readonly #offenders: Offenders;
  readonly #downstreams: readonly string[];
  readonly #upstreams: ReadonlySet<string>;
  readonly #names: readonly string[];
  readonly #config: RouterConfig;
  readonly #statistics: Statistics;
  /** Bridges whose own querier may not be turned off, of which the log has told. */
  readonly #unsilenced = new Set<string>();
  /** What would leave the groups upstream, once we hand over. */
  #leaves: Leave[] | undefined;

  /** Takes multicast routing and opens the interfaces that are there. Throws HalError "mroute.*". */
  constructor(config: RouterConfig, platform: RouterPlatform) {
    this.#platform = platform;
    this.#config = config;
    this.#offenders = new Offenders(platform);
    this.#downstreams = config.downstreams.map((one) => one.interface);
    this.#upstreams = new Set(upstreamsOf(config).map((one) => one.interface));
    this.#names = [...this.#downstreams, ...this.#upstreams];
    this.#statistics = new Statistics(this.#names, platform.clock);
    this.#router = new Router(IGMP, routerOptions(config), platform.entropy);
    this.#afterwards = new Afterwards(
      platform.later ?? ((work) => work()),
      (effect) => this.#apply(effect),
      ({ kind }) => kind === "send",
    );
    this.#runner = new Runner(platform.clock, this.#router, (effect) => this.#take(effect));
    this.#table = this.#openTable();
    const tappable = new Set(this.#downstreams);
    this.#bridgePorts = this.#keepPorts();
    this.#interfaces = new Interfaces({ ...platform, table: this.#table }, this.#names, tappable, (event) =>
      this.#feed(event),
    );
    this.#guard = this.#openGuard();
    this.#unwatch = this.#guardPorts();
    this.#interfaces.start();
    this.#takeOver();
    for (const name of this.#waiting()) {
      const lack = lackOf(name, platform.links);
      if (lack !== undefined) platform.log.warn({ interface: name }, `${lack}: waiting for it`);
    }
  }

  #keepPorts(): BridgePorts | undefined {
    const { clock, log, bridges } = this.#platform;
    const kept = snooped(this.#config);
    if (bridges === undefined || kept.length === 0) return undefined;
    return new BridgePorts(
      {
        clock,
        log,
        tables: bridges,
        memberships: (name) => this.#router.portMemberships(clock.now(), name),
        ask: (name) => this.#runner.feed({ kind: "ask-all", name }),
        asks: (name) =>
          [...this.#router.interfaces()].some(([one, { querier }]) => one === name && querier.kind === "querier"),
        isDeaf: (name, port) => (this.#interfaces.taps(name)[port] ?? "listening") !== "listening",
      },
      kept.map(({ interface: name, routerPorts, times }) => {
        const { startupResponse, groupMembershipInterval } = timesOf(times);
        return { name, routerPorts, response: startupResponse, lifetime: groupMembershipInterval };
      }),
    );
  }

  #feed(event: RouterEvent): void {
    // Bridges are handed over as they are.
    if (this.#leaves !== undefined) return;
    this.#runner.feed(event);
    if (event.kind === "link" && event.address !== undefined)
      this.#bridgePorts?.follow(event.name, this.#interfaces.link(event.name)?.index ?? 0);
    if (event.kind === "bridge") this.#bridgePorts?.changed(event.name);
    if (event.kind === "ask-all") this.#bridgePorts?.hearsAgain(event.name);
  }

  /** "waiting for interface eth1", with all that are not in use; undefined when all are. */
  waiting(): string | undefined {
    const names = this.#waiting();
    return names.length === 0 ? undefined : `waiting for interface ${names.join(", ")}`;
  }

  #waiting(): readonly string[] {
    return this.#names.filter((name) => this.#interfaces.link(name) === undefined);
  }

  /** Takes over what the downstreams may and how they ask; nobody loses a packet. Tells what needs a restart. */
  reload(config: RouterConfig): void {
    const entries = needingRestart(this.#config, config);
    if (entries.length > 0) this.#platform.log.warn({ entries }, "these entries take effect at the next start");
    this.#runner.feed({ kind: "configure", ...routerOptions(config) });
  }

  /**
   * Ends for the sake of the next start: for the time of `takeover` routes, passes, tables of bridges and the memberships upstream stay as
   * they are, and when nobody has come by then all of it ends. Where nothing can be left this is a stop. A stop may follow.
   */
  async handOver(): Promise<void> {
    if (this.#table?.handOver(() => this.#farewell()) !== true) return this.stop();
    this.#restoreBridges();
    await this.#platform.membershipReports?.close();
  }

  /** The machine stops, and nothing of what it says is done yet. */
  #farewell(): string {
    this.#leaves = [];
    this.#runner.feed({ kind: "stop" });
    this.#runner.stop();
    const bridges = snooped(this.#config).map((one) => one.interface);
    return farewellText({ leaves: this.#leaves, isGuarded: this.#guard !== undefined, bridges });
  }

  /** Leaves the groups upstream, gives back routing and the bridges. */
  async stop(): Promise<void> {
    for (const { name, packet } of this.#leaves ?? []) this.#interfaces.send(name, packet);
    this.#runner.feed({ kind: "stop" });
    for (const name of this.#names) this.#runner.feed({ kind: "link", name, address: undefined });
    this.#runner.stop();
    this.#afterwards.finish();
    this.#interfaces.close();
    this.#offenders.close();
    this.#bridgePorts?.close();
    this.#table?.close();
    this.#restoreBridges();
    this.#unwatch();
    await Promise.all([this.#platform.membershipReports?.close(), this.#guard?.close(), this.#wait(FAREWELL)]);
  }

  #restoreBridges(): void {
    this.#platform.bridgeQueriers.restore((bridge, error) =>
      this.#platform.log.warn({ interface: bridge, code: error.code }, explain(error)),
    );
  }

  #wait(span: Duration): Promise<void> {
    const { clock } = this.#platform;
    return new Promise((resolve) => void clock.alarm(after(clock.now(), span), resolve));
  }

  /** What `status --json` says. */
  status(): RouterStatus {
    return routerStatus(this.#settled());
  }

  /** For the local socket. */
  get commands(): Commands {
    return {
      why: (input) => why(this.#settled(), input),
      sample: () => sampleOf(this.#settled(), processUse()),
      metrics: () => ({ text: this.metrics() }),
    };
  }

  /** Prometheus text. */
  metrics(): string {
    return metricsText(this.#settled(), processUse());
  }

  /** With what is still to be counted. */
  #settled(): StatusParts {
    this.#afterwards.finish();
    return this.#parts();
  }

  #parts(): StatusParts {
    const { clock, links, drivers, membershipReports } = this.#platform;
    return {
      config: this.#config,
      router: this.#router,
      interfaces: this.#interfaces,
      bridgePorts: this.#bridgePorts,
      statistics: this.#statistics,
      table: this.#table,
      clock,
      links,
      drivers,
      control: membershipReports?.status(),
      isGuarded: this.#guard !== undefined,
      originOf: (name, source) => this.#offenders.originOf(name, source),
    };
  }

  #whereText(name: string, host: TrackedHost) {
    const { host: address, ...where } = hostStatus(this.#platform, name, host);
    return { address, ...where };
  }

  #openGuard(): GuardedPorts | undefined {
    const { enforce } = this.#config;
    if (enforce === undefined) return undefined;
    const groups = enforce.groups.map(({ group, length }) => ({ address: group, prefixLength: length }));
    const { log, enforcement } = this.#platform;
    const guard = enforcement?.open({ groups, afterwards: enforce.afterwards }, ({ code, message, needs }) =>
      log.error({ code, needs }, message),
    );
    if (guard !== undefined) this.#runner.feed({ kind: "guarded", passes: guard.inherited() });
    return guard;
  }

  /** Every port of a downstream that is a bridge, also one that comes later. */
  #guardPorts(): () => void {
    const guard = this.#guard;
    if (guard === undefined) return () => {};
    const { links } = this.#platform;
    const follow = (link: Link | undefined): void => {
      for (const port of link?.ports ?? []) guard.guard(port, true);
    };
    for (const name of this.#downstreams) follow(links.get(name));
    return links.watch(this.#downstreams, (_name, link) => follow(link));
  }

  #openTable(): ForwardingTable | undefined {
    return this.#platform.forwarding?.open({
      noRoute: (source, group, inbound) => this.#runner.feed({ kind: "no-route", source, group, inbound }),
      wrongInterface: (source, group, inbound) =>
        this.#runner.feed({ kind: "wrong-interface", source, group, inbound }),
      igmp: (packet) => {
        if (!this.#platform.igmp.hearsUnjoined) this.#straggler(packet);
      },
      failed: (error) => this.#platform.fatal(error),
    });
  }

  /** After the links: who receives by these routes is asked on interfaces that are up. */
  #takeOver(): void {
    const routes = this.#table?.inherited() ?? [];
    if (routes.length === 0) return;
    this.#platform.log.info({ routes: routes.length }, "took over the routes of a router that ended without a stop");
    this.#runner.feed({ kind: "inherited", routes });
  }

  /**
   * A v1 or v2 report, or a group-specific query, without Router Alert to a group that nobody here joined reaches only the
   * routing socket, which does not know the interface: the sender's subnet tells it where one interface alone has that subnet.
   * It is no proof, so it may not decide who asks on a downstream.
   */
  #straggler(packet: Uint8Array): void {
    if (packet.length < headerLength(packet) || hasRouterAlert(packet)) return;
    // What goes to us or to 224.0.0.0/24 the interfaces' own sockets hear, and they know where it came in.
    const destination = destinationAddress(packet);
    if (!isMulticast(destination) || isLinkLocalMulticast(destination)) return;
    const source = sourceAddress(packet);
    const [name, another] = this.#names.filter((one) => reaches(this.#interfaces.link(one), source));
    const { drops } = this.#statistics;
    if (name === undefined) drops.count("router.off-subnet");
    else if (another !== undefined) drops.count("router.two-subnets");
    else if (!this.#upstreams.has(name) && isQuery(packet)) drops.count("router.query-from-nowhere");
    else this.#runner.feed({ kind: "packet", name, bytes: packet.slice() });
  }

  /** Viewers wait for routes, then other routers for what we send; nobody for what is counted, logged and reported. */
  #take(effect: RouterEffect): void {
    if (DELIVERING.has(effect.kind)) this.#apply(effect);
    else this.#afterwards.add(effect);
  }

  #apply(effect: RouterEffect): void {
    if (this.#leaves !== undefined) {
      if (effect.kind === "send" && this.#upstreams.has(effect.name)) this.#leaves.push(effect);
      return;
    }
    const { log } = this.#platform;
    this.#statistics.take(effect);
    switch (effect.kind) {
      case "send":
        this.#interfaces.send(effect.name, effect.packet);
        break;
      case "route":
        this.#table?.set(effect.route);
        break;
      case "unroute":
        this.#table?.remove(effect.source, effect.group);
        break;
      case "count-routes":
        this.#runner.feed({ kind: "use", uses: this.#table?.use() ?? [] });
        break;
      case "delivery":
        log.info(
          { number: effect.number, interface: effect.name, ...streamText(effect.source, effect.group) },
          effect.number === 72 ? "delivery begins" : "delivery ends",
        );
        break;
      case "joined":
      case "left":
        this.#hostChanged(effect);
        break;
      case "membership":
        log.debug(
          { interface: effect.name, group: formatIpv4(effect.group), ...filterText(effect) },
          "what a network wants of a group",
        );
        break;
      case "port-membership":
      case "router-port":
        this.#bridgePorts?.apply(effect);
        break;
      case "heard":
      case "drop":
        break;
      case "querier":
        this.#querierChanged(effect);
        break;
      case "query-refused":
        log.warn(
          { interface: effect.name, reason: effect.reason, ...this.#whereText(effect.name, effect) },
          "somebody asks who may not be the querier here",
        );
        break;
      case "older-querier":
        log.warn(
          { interface: effect.name, version: effect.version, address: formatIpv4(effect.address) },
          "older querier",
        );
        break;
      case "upstream-mode":
        log.info({ interface: effect.name, version: effect.version }, "IGMP version upstream");
        break;
      case "intruder":
        log.warn(
          intruderStatus(this.#parts(), effect.intruder),
          "a sender under an address that is not of this interface is not routed",
        );
        this.#offenders.lookFor(effect.intruder);
        break;
      case "more-intruders":
        log.warn(
          { interface: effect.name, senders: effect.senders },
          "more senders under addresses that are not of this interface were not routed; status has the last",
        );
        break;
      case "refused":
        this.#refused(effect);
        break;
      case "inquire":
        this.#platform.membershipReports?.inquire(effect.macs, (permits) =>
          this.#runner.feed({ kind: "permits", permits }),
        );
        break;
      case "passes":
        this.#guard?.change(effect.added, effect.removed);
        break;
      case "stand":
        this.#guard?.stand(effect.span);
        break;
      default:
        effect satisfies never;
    }
  }

  #hostChanged(effect: RouterEffect & { kind: "joined" | "left" }): void {
    const { membership, name, number } = effect;
    // Every machine joins some of 224.0.0.0/24, which no router delivers: neither 71 nor evidence.
    if (isLinkLocalMulticast(membership.group)) return;
    const change = this.#change(name, membership, effect.kind === "joined" ? "joined" : changeWord(effect.cause));
    this.#platform.membershipReports?.add(change);
    this.#platform.log.info(
      {
        number,
        interface: name,
        port: change.port,
        host: formatIpv4(membership.host.address),
        mac: change.mac,
        group: formatIpv4(membership.group),
        change: change.change,
        exact: membership.exact,
      },
      HOST_CHANGES[change.change],
    );
  }

  /** There may be a flood of these: a MAC that is not known is not looked up. */
  #refused({ name, host, group, reason }: RouterEffect & { kind: "refused" }): void {
    if (group !== undefined && isLinkLocalMulticast(group)) return;
    const what = group === undefined ? {} : { group };
    this.#platform.membershipReports?.refused({ ...placeOf(name, host), ...what, reason, at: this.#calendar() });
  }

  #change(
    name: string,
    { host, group, filter, exact }: HostMembership,
    change: MembershipChange["change"],
  ): MembershipChange {
    return {
      change,
      ...placeOf(name, { ...host, mac: this.#mac(name, host) ?? "" }),
      ...given({ vlan: host.vlan }),
      group,
      sources: filter.mode === "include" ? filter.sources.slice(0, REPORTED_SOURCES) : [],
      at: this.#calendar(),
      certainty: exact ? "exact" : "shared",
    };
  }

  #calendar(): UnixTime {
    const { clock } = this.#platform;
    return wholeUnixTime(clock.unix(clock.now()));
  }

  #mac(name: string, { mac, address }: TrackedHost): string | undefined {
    return mac === "" ? this.#platform.links.neighbour(name, address) : mac;
  }

  #querierChanged({ name, ours, address, mac, port }: RouterEffect & { kind: "querier" }): void {
    const { log } = this.#platform;
    if (ours) this.#silenceBridge(name);
    if (ours || address === undefined) {
      const text = address === undefined ? undefined : formatIpv4(address);
      log.info({ interface: name, ours, address: text }, ours ? "we are the querier" : "nobody asks");
    } else {
      log.warn({ interface: name, ours, ...this.#whereText(name, { address, mac, port }) }, "we are not the querier");
    }
  }

  /** What the machine refuses does not keep us from asking: two queriers are a fault to tell, once for each interface. */
  #silenceBridge(name: string): void {
    const { bridgeQueriers, log } = this.#platform;
    try {
      if (bridgeQueriers.silence(name)) log.info({ interface: name }, "the bridge's own querier is off while we ask");
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      if (this.#unsilenced.has(name)) return;
      this.#unsilenced.add(name);
      log.warn({ interface: name, code: error.code }, explain(error));
    }
  }
}

function processUse(): ProcessUse {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
}

function isQuery(bytes: Uint8Array): boolean {
  const packet = checkPacket(bytes);
  return typeof packet !== "string" && packet.kind.endsWith("Query");
}

const reaches = (link: Link | undefined, address: Ipv4): boolean =>
  link?.addresses.some((own) => own.prefixLength > 0 && inSubnet(own, address)) ?? false;

const placeOf = (name: string, { port, address, mac }: TrackedHost) => ({
  interface: name,
  ...(port === "" ? {} : { port }),
  host: address,
  ...(mac === "" ? {} : { mac }),
});

const streamText = (source: Ipv4, group: Ipv4) => ({ source: formatIpv4(source), group: formatIpv4(group) });

const HOST_CHANGES: Readonly<Record<MembershipChange["change"], string>> = {
  joined: "a host has joined a group",
  left: "a host has left a group",
  expired: "a host has not reported a group for too long",
};

const filterText = ({ filter }: RouterEffect & { kind: "membership" }) => ({
  mode: filter.mode,
  sources: filter.sources.map(formatIpv4),
});

/** Entries that differ and do not take effect at once: of the interfaces their names, and how we speak upstream. */
function needingRestart(old: RouterConfig, config: RouterConfig): readonly string[] {
  const fixed = (one: RouterConfig): Readonly<Record<string, unknown>> => ({
    ...one,
    downstreams: one.downstreams.map((downstream) => downstream.interface).sort(),
    rules: undefined,
    bandwidth: undefined,
    enforce: one.enforce && {
      groups: one.enforce.groups,
      afterwards: one.enforce.afterwards,
      ports: one.enforce.ports,
    },
    upstream: one.upstream && fixedUpstream(one.upstream),
    upstreams: one.upstreams.map(fixedUpstream),
  });
  const [was, is] = [fixed(old), fixed(config)];
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return names.filter((name) => JSON.stringify(was[name]) !== JSON.stringify(is[name]));
}

const fixedUpstream = ({ interface: name, version, forceVersion, refresh }: UpstreamConfig): object => ({
  name,
  version,
  forceVersion,
  refresh,
});

function routerOptions(config: RouterConfig): RouterOptions {
  return {
    downstreams: config.downstreams.map((one) => ({
      name: one.interface,
      forwarder: one.forwarder,
      allow: one.allow,
      deny: one.deny,
      snooping: snooped(config).includes(one),
      ...given({
        sources: one.sources,
        vlan: one.vlan ?? vlanOf(one.interface),
        bandwidth: one.bandwidth,
        portBandwidth: one.portBandwidth,
      }),
      staticGroups: one.staticGroups,
      igmp: {
        version: one.version,
        times: one.times,
        leave: one.leave,
        isolated: one.isolated,
        maxQueryInterval: one.maxQueryInterval,
        ...given({
          queriers: one.queriers,
          querierPorts: one.querierPorts,
          flapGrace: one.flapGrace,
          sourceSpecific: one.sourceSpecific,
        }),
        maxGroups: one.maxGroups,
        maxSourcesPerGroup: one.maxSources,
        maxHostMemberships: one.maxHostMemberships,
        maxSourcesPerInterface: one.maxSourcesPerInterface,
        ...given({
          maxGroupsPerHost: one.maxGroupsPerHost,
          maxGroupsPerPort: one.maxGroupsPerPort,
          maxSourcesPerHost: one.maxSourcesPerHost,
          maxSourcesPerPort: one.maxSourcesPerPort,
        }),
        proxies: one.proxies,
        joinsPerSecond: one.joinsPerSecond,
        requireRouterAlert: one.requireRouterAlert,
        verifySourceSubnet: one.verifySourceSubnet,
        checksum: one.checksum,
      },
    })),
    upstreams: upstreamsOf(config).map(({ interface: name, version, refresh, groups, allow, linger, ...rest }) => ({
      ...{ name, version, refresh, groups, allow, linger },
      ...given(rest),
    })),
    rules: config.rules,
    bandwidth: config.bandwidth,
    ...given({ enforce: config.enforce }),
    idle: config.idle,
    maxRoutes: config.maxRoutes,
    maxRoutesPerSource: config.maxRoutesPerSource,
  };
}

/** As the kernel names a VLAN of an interface: "eth0.10", "br-lan.10". */
const vlanOf = (name: string): number | undefined => {
  const [, id = ""] = /\.(\d{1,4})$/.exec(name) ?? [];
  return id === "" ? undefined : Number(id);
};
