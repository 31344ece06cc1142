// The running router: applies the machine's effects to sockets, the kernel's multicast routing and the evidence.
import { Counters } from "../../core/base/counters.ts";
import { formatIpv4, type Ipv4, isLinkLocalMulticast, isMulticast } from "../../core/base/ipv4.ts";
import { Runner } from "../../core/base/runner.ts";
import { inSubnet } from "../../core/base/subnet.ts";
import {
  after,
  type Duration,
  type Instant,
  milliseconds,
  type UnixTime,
  wholeUnixTime,
} from "../../core/base/time.ts";
import type { MembershipChange } from "../../core/control/messages.ts";
import type { TrackedHost } from "../../core/igmp/host-shares.ts";
import type { HostMembership } from "../../core/igmp/host-table.ts";
import { destinationAddress, hasRouterAlert, headerLength, sourceAddress } from "../../core/igmp/ip-header.ts";
import { checkPacket } from "../../core/igmp/packet.ts";
import type { RouterInterface } from "../../core/igmp/router-interface.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Forwarding, ForwardingTable } from "../../core/ports/forwarding.ts";
import type { Link } from "../../core/ports/links.ts";
import type { Sender, Senders } from "../../core/ports/senders.ts";
import type { Intruder } from "../../core/router/intruders.ts";
import type { RouterEffect, RouterEvent, RouterOptions } from "../../core/router/options.ts";
import { type Refusal, Refusals } from "../../core/router/refusals.ts";
import { Router } from "../../core/router/router.ts";
import type { Upstream } from "../../core/router/upstream.ts";
import type { BridgeQueriers } from "../../hal/links/bridge-querier.ts";
import { lackOf } from "../../hal/links/words.ts";
import { explain } from "../shared/exit.ts";
import { Afterwards } from "./afterwards.ts";
import { given, type RouterConfig, type UpstreamConfig, upstreamsOf } from "./config.ts";
import type { DriverChoice } from "./drivers.ts";
import { Interfaces, type InterfacesPlatform } from "./interfaces.ts";
import { changeWord, type MembershipReports } from "./membership-reports.ts";
import { Offenders } from "./offenders.ts";

/** What a router stands on. */
export interface RouterPlatform extends Omit<InterfacesPlatform, "table"> {
  /** undefined: querier and evidence only. */
  readonly forwarding: Forwarding | undefined;
  /** Without, an intruder is named by the address that it chose. */
  readonly senders?: Senders | undefined;
  readonly membershipReports: Pick<MembershipReports, "add" | "refused" | "status" | "close"> | undefined;
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

/** Runs until `stop`. */
export class RouterService {
  readonly #platform: RouterPlatform;
  readonly #router: Router;
  readonly #runner: Runner<RouterEvent, RouterEffect>;
  readonly #afterwards: Afterwards<RouterEffect>;
  readonly #table: ForwardingTable | undefined;
  readonly #interfaces: Interfaces;
  readonly #offenders: Offenders;
  readonly #downstreams: readonly string[];
  readonly #upstreams: ReadonlySet<string>;
  readonly #names: readonly string[];
  readonly #config: RouterConfig;
  /** 71, 72, 81 and 82, as the patent numbers them. */
  readonly #messages = new Counters<string>();
  readonly #heard = new Counters<string>();
  readonly #drops = new Counters<string>();
  readonly #refusals = new Refusals();
  /** Bridges whose own querier may not be turned off, of which the log has told. */
  readonly #unsilenced = new Set<string>();

  /** Takes multicast routing and opens the interfaces that are there. Throws HalError "mroute.*". */
  constructor(config: RouterConfig, platform: RouterPlatform) {
    this.#platform = platform;
    this.#config = config;
    this.#offenders = new Offenders(platform);
    this.#downstreams = config.downstreams.map((one) => one.interface);
    this.#upstreams = new Set(upstreamsOf(config).map((one) => one.interface));
    this.#router = new Router(routerOptions(config), platform.entropy);
    this.#afterwards = new Afterwards(
      platform.later ?? ((work) => work()),
      (effect) => this.#apply(effect),
      ({ kind }) => kind === "send",
    );
    this.#runner = new Runner(platform.clock, this.#router, (effect) => this.#take(effect));
    this.#table = this.#openTable();
    this.#names = [...this.#downstreams, ...this.#upstreams];
    const tappable = new Set(this.#downstreams);
    this.#interfaces = new Interfaces({ ...platform, table: this.#table }, this.#names, tappable, (event) =>
      this.#runner.feed(event),
    );
    this.#interfaces.start();
    this.#takeOver();
    for (const name of this.#waiting()) {
      const lack = lackOf(name, platform.links);
      if (lack !== undefined) platform.log.warn({ interface: name }, `${lack}: waiting for it`);
    }
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
    const { downstreams, upstreams } = routerOptions(config);
    this.#runner.feed({ kind: "configure", downstreams, upstreams });
  }

  /** Leaves the groups upstream, gives back routing and the bridges. */
  async stop(): Promise<void> {
    this.#runner.feed({ kind: "stop" });
    for (const name of this.#names) this.#runner.feed({ kind: "link", name, address: undefined });
    this.#runner.stop();
    this.#afterwards.finish();
    this.#interfaces.close();
    this.#offenders.close();
    this.#table?.close();
    this.#platform.bridgeQueriers.restore((bridge, error) =>
      this.#platform.log.warn({ interface: bridge, code: error.code }, explain(error)),
    );
    await Promise.all([this.#platform.membershipReports?.close(), this.#wait(FAREWELL)]);
  }

  #wait(span: Duration): Promise<void> {
    const { clock } = this.#platform;
    return new Promise((resolve) => void clock.alarm(after(clock.now(), span), resolve));
  }

  status(): object {
    this.#afterwards.finish();
    return {
      messages: this.#messages.snapshot(),
      interfaces: [...this.#router.interfaces()].map(([name, machine]) => ({
        name,
        up: this.#interfaces.link(name) !== undefined,
        querier: this.#querier(name, machine),
        groups: machine.groups(this.#platform.clock.now()).map(({ group, filter, mode }) => ({
          group: formatIpv4(group),
          mode: filter.mode,
          sources: filter.sources.map(formatIpv4),
          version: mode,
        })),
        hosts: machine.hosts().map((membership) => this.#host(name, membership)),
        taps: this.#interfaces.taps(name),
        lost: this.#interfaces.lost(name),
      })),
      ...this.#upstreamsStatus(),
      routes: this.#router.routes().map(({ source, group, inbound, outbound }) => ({
        source: formatIpv4(source),
        group: formatIpv4(group),
        inbound,
        outbound,
      })),
      intruders: this.#router.intruders().map((intruder) => this.#intruder(intruder)),
      heard: this.#heard.snapshot(),
      drops: this.#drops.snapshot(),
      refusals: this.#refusals.recent().map((refusal) => this.#refusal(refusal)),
      lostUpcalls: this.#table?.dropped(),
      drivers: this.#platform.drivers,
      control: this.#platform.membershipReports?.status(),
    };
  }

  /** Who asks there, since when (seconds), and how many queries of others did not count. */
  #querier(name: string, { querier, refusedQueries: refused }: RouterInterface): object {
    switch (querier.kind) {
      case "silent":
        return { state: querier.kind, refused };
      case "querier":
        return { state: querier.kind, seconds: this.#secondsSince(querier.since), refused };
      case "non-querier": {
        const { winner, since } = querier;
        return { state: querier.kind, ...this.#whereText(name, winner), seconds: this.#secondsSince(since), refused };
      }
    }
  }

  #whereText(name: string, host: HostMembership["host"]) {
    return {
      address: formatIpv4(host.address),
      mac: this.#mac(name, host),
      port: host.port === "" ? undefined : host.port,
    };
  }

  /** In the form of the configuration: one, or a list. */
  #upstreamsStatus(): object {
    const all = Array.from(this.#router.upstreams(), (upstream) => this.#upstreamStatus(upstream));
    return this.#config.upstreams.length > 0 ? { upstreams: all } : { upstream: all[0] };
  }

  #upstreamStatus(upstream: Upstream): object {
    const { name, up, host, pace } = upstream;
    return {
      name,
      up,
      version: host.mode,
      asks: host.isAsked(this.#platform.clock.now()),
      refreshes: host.refreshes,
      counts: pace.counts.snapshot(),
      lost: this.#interfaces.lost(name),
      groups: this.#router.wanted(upstream).map(({ group }) => formatIpv4(group)),
    };
  }

  #intruder({ name, source, group, expected, times }: Intruder): object {
    const address = formatIpv4(source);
    return {
      interface: name,
      source: address,
      ...this.#senderOf(name, source),
      group: formatIpv4(group),
      expected,
      times,
    };
  }

  /** Which card, and behind which bridge port: of a forged address neither tracking nor the neighbour table knows. */
  #senderOf(name: string, address: Ipv4): Partial<Sender> {
    const mac = this.#platform.links.neighbour(name, address);
    return this.#offenders.senderOf(name, address) ?? (mac === undefined ? {} : { mac });
  }

  #host(name: string, { host, group, since, exact }: HostMembership): object {
    return { ...this.#who(name, host), group: formatIpv4(group), seconds: this.#secondsSince(since), exact };
  }

  #refusal({ name, reason, host, times, last }: Refusal): object {
    return { interface: name, ...this.#who(name, host), reason, times, seconds: this.#secondsSince(last) };
  }

  #who(name: string, host: TrackedHost): object {
    return {
      host: formatIpv4(host.address),
      mac: this.#mac(name, host),
      port: host.port === "" ? undefined : host.port,
    };
  }

  #secondsSince(moment: Instant): number {
    return Math.round((this.#platform.clock.now() - moment) / 1000);
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
    if (name === undefined) this.#drops.count("router.off-subnet");
    else if (another !== undefined) this.#drops.count("router.two-subnets");
    else if (!this.#upstreams.has(name) && isQuery(packet)) this.#drops.count("router.query-from-nowhere");
    else this.#runner.feed({ kind: "packet", name, bytes: packet.slice() });
  }

  /** Viewers wait for routes, then other routers for what we send; nobody for what is counted, logged and reported. */
  #take(effect: RouterEffect): void {
    if (effect.kind === "route" || effect.kind === "unroute") this.#apply(effect);
    else this.#afterwards.add(effect);
  }

  #apply(effect: RouterEffect): void {
    const { log } = this.#platform;
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
        this.#messages.count(String(effect.number));
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
      case "heard":
        this.#heard.count(effect.message);
        if (effect.unfilled) this.#heard.count("igmp.checksum-unfilled");
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
          this.#intruder(effect.intruder),
          "a sender under an address that is not of this interface is not routed",
        );
        this.#offenders.lookFor(effect.intruder);
        break;
      case "refused":
        this.#refused(effect);
        break;
      case "drop":
        this.#drops.count(effect.reason);
        if (effect.host !== undefined)
          this.#refusals.note(this.#platform.clock.now(), { ...effect, host: effect.host });
        break;
      default:
        effect satisfies never;
    }
  }

  #hostChanged(effect: RouterEffect & { kind: "joined" | "left" }): void {
    const { membership, name, number } = effect;
    // Every machine joins some of 224.0.0.0/24, which no router delivers: neither 71 nor evidence.
    if (isLinkLocalMulticast(membership.group)) return;
    if (number !== undefined) this.#messages.count(String(number));
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
    upstream: one.upstream && fixedUpstream(one.upstream),
    upstreams: one.upstreams.map(fixedUpstream),
  });
  const [was, is] = [fixed(old), fixed(config)];
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return names.filter((name) => JSON.stringify(was[name]) !== JSON.stringify(is[name]));
}

const fixedUpstream = ({ interface: name, version, refresh }: UpstreamConfig): object => ({ name, version, refresh });

function routerOptions(config: RouterConfig): RouterOptions {
  return {
    downstreams: config.downstreams.map((one) => ({
      name: one.interface,
      forwarder: one.forwarder,
      allow: one.allow,
      deny: one.deny,
      ...(one.sources === undefined ? {} : { sources: one.sources }),
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
        maxGroupsPerHost: one.maxGroupsPerHost,
        ...(one.maxGroupsPerPort === undefined ? {} : { maxGroupsPerPort: one.maxGroupsPerPort }),
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
    idle: config.idle,
    maxRoutes: config.maxRoutes,
    maxRoutesPerSource: config.maxRoutesPerSource,
  };
}
