// The drivers of a router: of each port the best that loads here, and for status which it is, why no better one, and what it lacks.
import type { BridgeTables } from "../../core/ports/bridge-table.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Forwarding } from "../../core/ports/forwarding.ts";
import type { FrameOrigins } from "../../core/ports/frame-origin.ts";
import type { FrameTaps } from "../../core/ports/frame-tap.ts";
import type { IgmpSockets } from "../../core/ports/igmp-socket.ts";
import type { Links } from "../../core/ports/links.ts";
import type { PortSender } from "../../core/ports/port-sender.ts";
import type { ReportFilters } from "../../core/ports/report-filter.ts";
import { LinuxBridgeTables } from "../../hal/bridge/linux.ts";
import type { BridgeSettings } from "../../hal/bridge/settings.ts";
import { LinuxForwarding, type TakeoverOptions } from "../../hal/forwarding/linux.ts";
import { RelayForwarding } from "../../hal/forwarding/relay.ts";
import { PacketIgmpSockets } from "../../hal/igmp/packet.ts";
import { RawIgmpSockets } from "../../hal/igmp/raw.ts";
import { bridgeVlansBy } from "../../hal/links/bridge-vlans.ts";
import { linksBy } from "../../hal/links/linux.ts";
import { commandMonitor, netlinkMonitor, sharedMonitor } from "../../hal/links/monitor.ts";
import { loadCapture, loadSockets } from "../../hal/native.ts";
import { PacketOrigins } from "../../hal/origin/packet.ts";
import { PacketPortSender } from "../../hal/port-sender/packet.ts";
import { NftReportFilters } from "../../hal/report-filter/nft.ts";
import { CapTaps } from "../../hal/tap/cap.ts";
import { PacketTaps } from "../../hal/tap/packet.ts";
import { type Candidate, choose, type DriverChoice } from "../shared/drivers.ts";
import type { Runtime } from "../shared/target.ts";
import { interfacesOf, proxied, type RouterConfig, snooped } from "./config.ts";
import { FAREWELL_ARGUMENT } from "./farewell.ts";

/** What the router's process stands on, by port; without what the configuration does not want. */
export interface RouterDrivers {
  readonly igmp: IgmpSockets;
  readonly forwarding: Forwarding | undefined;
  readonly taps: FrameTaps | undefined;
  readonly bridges: BridgeTables | undefined;
  readonly reportFilters: ReportFilters | undefined;
  readonly portSender: PortSender | undefined;
  readonly links: Links;
  readonly origins: FrameOrigins | undefined;
  readonly choices: Readonly<Record<string, DriverChoice>>;
}

const igmpDrivers: readonly Candidate<IgmpSockets>[] = [
  { driver: "packet", load: () => PacketIgmpSockets.load() },
  {
    driver: "raw-socket",
    lacks:
      "the interface of a v1 or v2 report without Router Alert is guessed from the sender's subnet, MACs come from the neighbour " +
      "table, what is lost in the kernel's queue is not counted",
    load: () => RawIgmpSockets.load(),
  },
];

const forwardingDrivers = (takeover: TakeoverOptions): readonly Candidate<Forwarding>[] => [
  { driver: "native", load: () => LinuxForwarding.loadNative(takeover) },
  {
    driver: "raw-socket",
    lacks:
      "hears a copy of every report, what is lost in the kernel's queue is not counted, children inherit the socket, the streams of " +
      "a router that was killed stop and are not taken over",
    load: () => LinuxForwarding.load(takeover),
  },
];

const relayDrivers: readonly Candidate<Forwarding>[] = [
  {
    driver: "relay",
    lacks:
      "each packet wakes this process (some 5 microseconds of a core, for each interface that it leaves by), what is longer than the " +
      "outgoing MTU is not fragmented, netfilter's forward hook does not see it, what this machine itself sends is not forwarded, " +
      "no stream outlives this process: a restart interrupts them, and leaves the groups upstream",
    load: () => RelayForwarding.load(),
  },
];

const linksDrivers: readonly Candidate<Links>[] = [
  {
    driver: "netlink",
    load: async () => {
      const sockets = await loadSockets("links");
      return linksBy(netlinkMonitor(sockets), bridgeVlansBy(sockets));
    },
  },
  {
    driver: "ip-monitor",
    lacks:
      "a child process, and a look every second where `ip` cannot monitor; the ports of a VLAN of a bridge with `vlan_filtering` are not known",
    load: async () => linksBy(sharedMonitor(commandMonitor())),
  },
];

const tapDrivers = ({ clock, entropy }: Runtime): readonly Candidate<FrameTaps>[] => [
  { driver: "packet", load: () => PacketTaps.load({ clock, entropy }) },
  {
    driver: "cap",
    lacks: "a child process a port, whose losses are not counted",
    load: async () => {
      await loadCapture("tap");
      return new CapTaps({ clock, entropy, command: [process.execPath, process.argv[1] ?? ""] });
    },
  },
];

const takeoverOf = (config: RouterConfig, { log }: Runtime): TakeoverOptions => ({
  span: config.takeover,
  interfaces: interfacesOf(config),
  farewell: [process.execPath, process.argv[1] ?? "", FAREWELL_ARGUMENT],
  warn: (text) => log.warn({}, text),
});

/** Without taps the router still routes and tracks, only not by bridge port. */
async function openTaps({ taps, hal }: RouterConfig, runtime: Runtime) {
  if (!taps) return undefined;
  try {
    return await choose(hal.tap, tapDrivers(runtime));
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    runtime.log.warn({ code: error.code, needs: error.needs }, `${error.message}; ${error.alternative}`);
    return undefined;
  }
}

/** undefined: nothing is routed here. */
async function openForwarding(config: RouterConfig, runtime: Runtime) {
  switch (config.forwarding) {
    case "kernel":
      return choose(config.hal.forwarding, forwardingDrivers(takeoverOf(config, runtime)));
    case "relay":
      return choose("auto", relayDrivers);
    case "bridge":
    case "none":
      return undefined;
  }
}

/** Without them a bridge delivers as its own snooping has it. */
async function openBridges(
  config: RouterConfig,
  { log }: Runtime,
  settings: BridgeSettings,
): Promise<BridgeTables | undefined> {
  if (snooped(config).length === 0) return undefined;
  try {
    return await LinuxBridgeTables.load(settings);
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    log.warn({ code: error.code, needs: error.needs }, `${error.message}; ${error.alternative}`);
    return undefined;
  }
}

/** Without it routers hear the hosts themselves. */
async function openPortSender(config: RouterConfig, { log }: Runtime): Promise<PortSender | undefined> {
  if (proxied(config).length === 0) return undefined;
  try {
    return await PacketPortSender.load();
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    log.warn({ code: error.code, needs: error.needs }, `${error.message}; ${error.alternative}`);
    return undefined;
  }
}

/** Without, an intruder is named by the address that it chose. */
async function openOrigins(): Promise<FrameOrigins | undefined> {
  try {
    return await PacketOrigins.load();
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    return undefined;
  }
}

/** Loads them. Rejects with HalError "igmp.native-missing" or "mroute.native-missing"; taps that cannot be are a warning. */
export async function openDrivers(
  config: RouterConfig,
  runtime: Runtime,
  settings: BridgeSettings,
): Promise<RouterDrivers> {
  const { hal } = config;
  // First: a child that it may start is to inherit no socket.
  const links = await choose(hal.links, linksDrivers);
  const igmp = await choose(hal.igmp, igmpDrivers);
  const forwarding = await openForwarding(config, runtime);
  const taps = await openTaps(config, runtime);
  const chosen = { igmp, forwarding, tap: taps, links };
  return {
    igmp: igmp.port,
    forwarding: forwarding?.port,
    taps: taps?.port,
    bridges: await openBridges(config, runtime, settings),
    reportFilters: proxied(config).length === 0 ? undefined : new NftReportFilters(),
    portSender: await openPortSender(config, runtime),
    links: links.port,
    origins: await openOrigins(),
    choices: Object.fromEntries(
      Object.entries(chosen).flatMap(([port, one]) => (one === undefined ? [] : [[port, one.choice]])),
    ),
  };
}
