// The running router: applies the machine's effects to sockets, the kernel's multicast routing and the evidence.

import { formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { Runner } from "../../core/base/runner.ts";
import { after, type Duration, milliseconds, seconds } from "../../core/base/time.ts";
import type { RouterInterface } from "../../core/igmp/router-interface.ts";
import { longestSilence, timesOf } from "../../core/igmp/times.ts";
import { IGMP } from "../../core/igmp/wire.ts";
import type { BridgeTables } from "../../core/ports/bridge-table.ts";
import type { Enforcement } from "../../core/ports/enforcement.ts";
import type { EvidenceLog } from "../../core/ports/evidence-log.ts";
import type { Forwarding, ForwardingTable } from "../../core/ports/forwarding.ts";
import type { FrameOrigins } from "../../core/ports/frame-origin.ts";
import type { PortSender } from "../../core/ports/port-sender.ts";
import type { ReportFilters } from "../../core/ports/report-filter.ts";
import { isSent } from "../../core/router/effects.ts";
import type { RouterEffect, RouterEvent } from "../../core/router/options.ts";
import { Router } from "../../core/router/router.ts";
import type { BridgeQueriers } from "../../hal/links/bridge-querier.ts";
import { lackOf } from "../../hal/links/words.ts";
import type { Commands } from "../shared/admin.ts";
import type { DriverChoice } from "../shared/drivers.ts";
import { explain } from "../shared/exit.ts";
import { Afterwards } from "./afterwards.ts";
import { BridgePorts, tablePlace } from "./bridge-ports.ts";
import { foundBridgesFile, given, proxied, type RouterConfig, snooped, upstreamsOf } from "./config.ts";
import { Enforcing } from "./enforcing.ts";
import { farewellText, type Leave } from "./farewell.ts";
import { HostEvidence } from "./host-evidence.ts";
import type { InForce } from "./in-force.ts";
import { Interfaces, type InterfacesPlatform } from "./interfaces.ts";
import { LivePolicy } from "./live-policy.ts";
import type { MembershipReports } from "./membership-reports.ts";
import { metricsText, type ProcessUse } from "./metrics.ts";
import { Offenders } from "./offenders.ts";
import { ProxyReporting } from "./proxy-reporting.ts";
import { QuerierDuty } from "./querier-duty.ts";
import { needingRestart, routerOptions } from "./router-options.ts";
import { sampleOf } from "./sample.ts";
import { Statistics } from "./statistics.ts";
import type { RouterStatus } from "./status.ts";
import { intruderStatus, routerStatus, type StatusParts, whereText } from "./status-of.ts";
import { strayFrom } from "./stragglers.ts";
import { why } from "./why.ts";

/** What a router says to control, and asks it. */
export type Control = Pick<MembershipReports, "add" | "refused" | "inquire" | "policy" | "status" | "close">;

/** What a router stands on. */
export interface RouterPlatform extends Omit<InterfacesPlatform, "table"> {
  /** undefined: querier and evidence only. */
  readonly forwarding: Forwarding | undefined;
  /** undefined: bridges deliver as they do by themselves. */
  readonly bridges?: BridgeTables | undefined;
  /** Both, or routers behind the ports of bridges hear the hosts themselves. */
  readonly reportFilters?: ReportFilters | undefined;
  readonly portSender?: PortSender | undefined;
  /** Without, an intruder is named by the address that it chose. */
  readonly origins?: FrameOrigins | undefined;
  readonly membershipReports: Control | undefined;
  /** Keeps a bridge's ports to what control permits; undefined: hosts are refused, but not kept from what their neighbours have. */
  readonly enforcement?: Enforcement | undefined;
  /** Keeps what control permits over the end of the process; undefined: in memory only. */
  readonly permitLog?: EvidenceLog | undefined;
  /** Keeps control's policy over the end of the process; undefined: in memory only. */
  readonly policyLog?: EvidenceLog | undefined;
  readonly bridgeQueriers: Pick<BridgeQueriers, "silence" | "restore">;
  /** Runs work once the packets that are there have been heard. */
  readonly later: (work: () => void) => void;
  /** For status: which driver serves a port. */
  readonly drivers?: Readonly<Record<string, DriverChoice>>;
}

/** How long the sockets have to send the leaves of the upstream. */
const FAREWELL: Duration = milliseconds(50);

/** What viewers wait for: routes, and what a bridge passes on. */
const DELIVERING: ReadonlySet<RouterEffect["kind"]> = new Set([
  "route",
  "ready",
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
  readonly #proxyReporting: ProxyReporting | undefined;
  readonly #enforcing: Enforcing;
  readonly #offenders: Offenders;
  readonly #downstreams: readonly string[];
  readonly #upstreams: ReadonlySet<string>;
  readonly #names: readonly string[];
  /** As it was in force at the start. */
  readonly #config: RouterConfig;
  readonly #policy: LivePolicy;
  readonly #statistics: Statistics;
  readonly #evidence: HostEvidence;
  readonly #duty: QuerierDuty;
  /** What would leave the groups upstream, once we hand over. */
  #leaves: Leave[] | undefined;
  #stopped: Promise<void> | undefined;

  /** Takes multicast routing and opens the interfaces that are there. Throws HalError "mroute.*". */
  constructor(config: RouterConfig, platform: RouterPlatform) {
    this.#platform = platform;
    this.#policy = this.#openPolicy(config);
    const { byControl } = this.#policy.inForce;
    this.#config = this.#policy.inForce.config;
    this.#offenders = new Offenders(platform);
    this.#downstreams = config.downstreams.map((one) => one.interface);
    this.#upstreams = new Set(upstreamsOf(config).map((one) => one.interface));
    this.#names = [...this.#downstreams, ...this.#upstreams];
    this.#statistics = new Statistics(this.#names, platform.clock);
    this.#evidence = new HostEvidence({ ...platform, linkOf: (name) => this.#interfaces.link(name) });
    this.#duty = new QuerierDuty(platform, new Set(proxied(this.#config).map((one) => one.interface)));
    this.#router = new Router(IGMP, routerOptions(this.#config, platform.links, byControl), platform.entropy);
    this.#afterwards = new Afterwards(platform.later, (effect) => this.#apply(effect), isSent);
    this.#runner = new Runner(platform.clock, this.#router, (effect) => this.#take(effect));
    this.#table = this.#openTable();
    const tappable = new Set(this.#downstreams);
    this.#proxyReporting = this.#speakForHosts();
    this.#bridgePorts = this.#keepPorts();
    this.#interfaces = new Interfaces({ ...platform, table: this.#table }, this.#names, tappable, (event) =>
      this.#feed(event),
    );
    this.#enforcing = this.#openEnforcing();
    this.#beginEnforcing();
    this.#interfaces.start();
    this.#takeOver();
    this.#policy.start();
    for (const name of this.#waiting()) {
      const lack = lackOf(name, platform.links);
      if (lack !== undefined) platform.log.warn({ interface: name }, `${lack}: waiting for it`);
    }
  }

  #openPolicy(config: RouterConfig): LivePolicy {
    const { clock, log, membershipReports: control, policyLog } = this.#platform;
    const guard = (): string => this.#enforcing.state;
    return new LivePolicy(config, { clock, log, control, policyLog, guard }, (inForce) => this.#configure(inForce));
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
        routers: (name, ports, routers) => this.#proxyReporting?.follow(name, ports, routers),
        released: (name) => this.#proxyReporting?.leave(name),
      },
      kept.map(({ interface: name, routerPorts, times, maxQueryInterval }) => {
        const { startupResponse, groupMembershipInterval } = timesOf(times);
        const silence = longestSilence(times, maxQueryInterval);
        return { name, routerPorts, response: startupResponse, lifetime: groupMembershipInterval, silence };
      }),
    );
  }

  #speakForHosts(): ProxyReporting | undefined {
    const { clock, log, reportFilters: filters, portSender } = this.#platform;
    const bridges = proxied(this.#config).map(({ interface: name, vlan }) => ({ name, vlan }));
    if (filters === undefined || portSender === undefined || bridges.length === 0) return undefined;
    const speakAt = (name: string, ports: readonly string[] | undefined) =>
      this.#runner.feed({ kind: "speak-at", name, ports });
    const machines = new Map(this.#router.interfaces());
    const queryInterval = (name: string): Duration => machines.get(name)?.times.queryInterval ?? seconds(1);
    const settling = (name: string): Duration => settlingOf(machines.get(name));
    const lan = (name: string) => this.#interfaces.link(name);
    return new ProxyReporting({ clock, log, filters, speakAt, lan, queryInterval, settling }, bridges);
  }

  #feed(event: RouterEvent): void {
    // Bridges are handed over as they are.
    if (this.#leaves !== undefined) return;
    this.#runner.feed(event);
    if (event.kind === "link" && event.address === undefined) this.#proxyReporting?.leave(event.name);
    const link = event.kind === "link" && event.address !== undefined ? this.#interfaces.link(event.name) : undefined;
    if (link !== undefined) this.#bridgePorts?.follow(link);
    if (event.kind === "bridge") this.#bridgePorts?.changed(event.name, event.ports);
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

  /**
   * Takes over what the downstreams may and how they ask; nobody loses a packet. Tells what needs a restart. Throws HalError
   * "policy.conflict", and then nothing has changed.
   */
  reload(config: RouterConfig): void {
    this.#policy.reload(config);
  }

  /** Where no way to control was opened at the start, nobody would say who may receive. */
  #enforceable({ enforce }: RouterConfig): RouterConfig["enforce"] {
    return this.#platform.membershipReports === undefined ? undefined : enforce;
  }

  /** The entries that wait for the next start. */
  #configure({ config, byControl }: InForce): readonly string[] {
    const entries = needingRestart(this.#config, config);
    const enforce = this.#enforceable(config);
    if (entries.length > 0) this.#platform.log.warn({ entries }, "these entries take effect at the next start");
    this.#runner.feed({ kind: "configure", ...routerOptions({ ...config, enforce }, this.#platform.links, byControl) });
    this.#enforcing.follow(enforce);
    return entries;
  }

  /**
   * Ends for the sake of the next start: for the time of `takeover` routes, passes, tables of bridges and the memberships upstream stay as
   * they are, and when nobody has come by then all of it ends. A stop may follow. False: nothing could be left, so that this was a stop.
   */
  async handOver(): Promise<boolean> {
    if (this.#table?.handOver(() => this.#farewell()) !== true) {
      await this.stop();
      return false;
    }
    this.#restoreBridges();
    await Promise.all([this.#platform.membershipReports?.close(), this.#enforcing.save(), this.#policy.close()]);
    return true;
  }

  /** The machine stops: evidence and logs have it, nobody is sent a leave, and what delivers stays as it is. */
  #farewell(): string {
    this.#afterwards.finish();
    this.#leaves = [];
    this.#runner.feed({ kind: "stop" });
    this.#runner.stop();
    this.#afterwards.finish();
    const tables = snooped(this.#config).map(({ interface: name }) => {
      const link = this.#interfaces.link(name);
      return link === undefined ? { bridge: name } : tablePlace(link);
    });
    const found = foundBridgesFile(this.#config);
    const isGuarded = this.#enforcing.isGuarding;
    return farewellText({
      leaves: this.#leaves,
      isGuarded,
      isProxied: this.#proxyReporting !== undefined,
      tables,
      found,
    });
  }

  /** Leaves the groups upstream, gives back routing and the bridges, once. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    for (const { name, packet } of this.#leaves ?? []) this.#interfaces.send(name, packet);
    // First: what is bridged goes on without us, and no port is to lose for a moment what the machine ends for itself.
    this.#bridgePorts?.close();
    this.#runner.feed({ kind: "stop" });
    for (const name of this.#names) this.#runner.feed({ kind: "link", name, address: undefined });
    this.#runner.stop();
    this.#afterwards.finish();
    this.#interfaces.close();
    this.#offenders.close();
    this.#table?.close();
    this.#restoreBridges();
    await Promise.all([
      this.#platform.membershipReports?.close(),
      this.#policy.close(),
      this.#enforcing.close(),
      this.#proxyReporting?.close(),
      this.#wait(FAREWELL),
    ]);
    this.#platform.portSender?.close();
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
      proxyReporting: this.#proxyReporting,
      portSender: this.#platform.portSender,
      statistics: this.#statistics,
      table: this.#table,
      clock,
      links,
      drivers,
      policy: this.#policy,
      control: membershipReports?.status(),
      guard: this.#enforcing,
      originOf: (name, source) => this.#offenders.originOf(name, source),
    };
  }

  #openEnforcing(): Enforcing {
    const { clock, log, links, enforcement, permitLog } = this.#platform;
    const kept = () => this.#router.keptPermits(clock.now());
    const feed = (event: RouterEvent): void => this.#runner.feed(event);
    return new Enforcing({ clock, log, links, enforcement, permitLog, kept, feed }, this.#downstreams);
  }

  /** What control gives is not to keep the router from starting; what its own file wants is. */
  #beginEnforcing(): void {
    const { config, byControl } = this.#policy.inForce;
    this.#enforcing.start(config.enforce, !byControl.has("enforce"));
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

  #straggler(packet: Uint8Array): void {
    const interfaces = this.#names.map((name) => {
      return { name, link: this.#interfaces.link(name), isUpstream: this.#upstreams.has(name) };
    });
    const stray = strayFrom(packet, interfaces);
    if (typeof stray === "string") this.#statistics.drops.count(stray);
    else if (stray !== undefined) this.#runner.feed({ kind: "packet", name: stray.name, bytes: packet.slice() });
  }

  /** Viewers wait for routes, then other routers for what we send; nobody for what is counted, logged and reported. */
  #take(effect: RouterEffect): void {
    if (DELIVERING.has(effect.kind)) this.#apply(effect);
    else this.#afterwards.add(effect);
  }

  #sendByPort({ name, port, packet, vlan }: RouterEffect & { kind: "send-port" }): void {
    const bridge = this.#interfaces.link(name)?.bridge ?? name;
    this.#platform.portSender?.send({ bridge, port, packet, ...given({ vlan }) });
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
      case "send-port":
        this.#sendByPort(effect);
        break;
      case "route":
        this.#table?.set(effect.route);
        break;
      case "ready":
        this.#table?.prepare(effect.route, effect.names);
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
        this.#evidence.changed(effect);
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
        this.#duty.changed(effect);
        break;
      case "query-refused":
        log.warn(
          { interface: effect.name, reason: effect.reason, ...whereText(this.#platform, effect.name, effect) },
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
        log.info({ interface: effect.name, port: effect.port, version: effect.version }, "IGMP version upstream");
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
        this.#evidence.refused(effect);
        break;
      case "inquire":
        this.#platform.membershipReports?.inquire(effect.macs, (permits) =>
          this.#runner.feed({ kind: "permits", permits }),
        );
        break;
      case "passes":
        this.#enforcing.change(effect.added, effect.removed);
        break;
      case "stand":
        this.#enforcing.stand(effect.span);
        break;
      case "keep":
        this.#enforcing.changed();
        break;
      default:
        effect satisfies never;
    }
  }
}

/** Of version 3 we ask hosts when we begin to speak for them; of another we wait for whoever asks. With a second for what is under way. */
function settlingOf(machine: RouterInterface | undefined): Duration {
  if (machine === undefined) return seconds(0);
  const { version, times } = machine.tableContext;
  const { startupResponse, queryInterval, queryResponseInterval } = times;
  return milliseconds((version === 3 ? startupResponse : queryInterval + queryResponseInterval) + seconds(1));
}

function processUse(): ProcessUse {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
}

const streamText = (source: Ipv4, group: Ipv4) => ({ source: formatIpv4(source), group: formatIpv4(group) });

const filterText = ({ filter }: RouterEffect & { kind: "membership" }) => ({
  mode: filter.mode,
  sources: filter.sources.map(formatIpv4),
});
