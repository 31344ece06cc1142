// Interfaces of a Linux machine: /sys/class/net for what is, a monitor (or a look every second) for what changes.
//
// A bridge that keeps VLANs apart (`vlan_filtering`) is as many LANs as it has VLANs. One of them is the bridge's own interface: that which
// it gives frames without a tag that the machine sends (its PVID, mostly 1, and none on many routers); the others are VLAN devices on it
// (br-lan.10). Each has the ports that carry its VLAN, and a frame on such a port is of it by its tag or, without one, by the port's PVID.
// On a bridge that does not look at tags all ports carry every VLAN with its tag, and without a tag the bridge's own interface alone.
//
// The system lists the addresses of all interfaces or none (getifaddrs): they are asked once for each look, not for each interface.
import { readdirSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { doubled } from "../../core/base/backoff.ts";
import { formatIpv4, type Ipv4, parseIpv4 } from "../../core/base/ipv4.ts";
import { type Duration, milliseconds, seconds } from "../../core/base/time.ts";
import type { Link, Links, PortVlan } from "../../core/ports/links.ts";
import type { BridgeVlans, VlanRange } from "./bridge-vlans.ts";
import { commandMonitor, type Monitor } from "./monitor.ts";

const FOLDER = "/sys/class/net";
/** Without a monitor. */
const LOOK_EVERY = seconds(1);
const IFF_UP = 0x1;
/** RFC 791: every link carries as much. */
const LEAST_MTU = 68;
/** net/arp.h: the entry is complete. */
const ATF_COM = 0x2;

/** The addresses of all interfaces, by name. */
type Addresses = ReturnType<typeof networkInterfaces>;
type Changed = (name: string, link: Link | undefined) => void;

/** One look at the machine, and where it finds things. */
export interface Sight {
  readonly addresses: Addresses;
  /** One folder for each interface. */
  readonly folder: string;
  /** VLANs of other interfaces, by name. */
  readonly vlans: ReadonlyMap<string, Vlan>;
  /** Absent: nobody can tell. */
  readonly bridgeVlans?: BridgeVlans | undefined;
}

interface Vlan {
  readonly id: number;
  /** The interface whose frames with this tag it has. */
  readonly lower: string;
}

const sightNow = (bridgeVlans?: BridgeVlans): Sight => ({
  addresses: networkInterfaces(),
  folder: FOLDER,
  vlans: vlansIn(read("/proc/net/vlan/config") ?? ""),
  bridgeVlans: bridgeVlans && askedOnce(bridgeVlans),
});

/** However many VLANs a bridge has. */
function askedOnce(ask: BridgeVlans): BridgeVlans {
  let told: ReturnType<BridgeVlans> | undefined;
  return () => {
    told ??= ask();
    return told;
  };
}

/** Lines of "br-lan.10 | 10 | br-lan" after two of headings. */
function vlansIn(text: string): ReadonlyMap<string, Vlan> {
  const rows = text.split("\n").map((line) => line.split("|").map((word) => word.trim()));
  return new Map(rows.slice(2).map(([name = "", id, lower = ""]) => [name, { id: Number(id), lower }]));
}

/**
 * This machine's, whose changes `monitor` tells. Without `bridgeVlans` a VLAN of a bridge that keeps its ports apart by VLAN
 * (`vlan_filtering`) has no ports, as nobody can tell which.
 */
export const linksBy = (monitor: Monitor, bridgeVlans?: BridgeVlans): Links => ({
  get: (name) => readLink(name, sightNow(bridgeVlans)),
  list: () => listLinks(sightNow(bridgeVlans)),
  changes: (changed) => watchAll(changed, { ...LOOKING, monitor, bridgeVlans }),
  watch: (names, changed) => watchLinks(names, changed, { monitor, bridgeVlans }),
  neighbour: (interfaceName, address) => findNeighbour(read("/proc/net/arp") ?? "", interfaceName, address),
});

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1").trim();
  } catch {
    return undefined;
  }
}

/** All interfaces, in order of their names. */
export const listLinks = (sight: Sight): readonly Link[] =>
  namesIn(sight.folder).flatMap((name) => readLink(name, sight) ?? []);

function readLink(name: string, sight: Sight): Link | undefined {
  const folder = `${sight.folder}/${name}`;
  const index = read(`${folder}/ifindex`);
  if (index === undefined) return undefined;
  const flags = Number(read(`${folder}/flags`) ?? 0);
  const state = read(`${folder}/operstate`);
  const mtu = Number(read(`${folder}/mtu`) ?? 0);
  return {
    name,
    index: Number(index),
    // Tunnels say "unknown"; "down" and "lowerlayerdown" carry nothing.
    up: (flags & IFF_UP) !== 0 && state !== "down" && state !== "lowerlayerdown",
    addresses: ipv4Of(sight.addresses[name]),
    ...(mtu >= LEAST_MTU ? { mtu } : {}),
    ...lanOf(name, sight),
  };
}

type Lan = Pick<Link, "ports" | "vlan" | "bridge" | "portVlans" | "topology" | "snoops">;

function lanOf(name: string, sight: Sight): Lan {
  const vlan = sight.vlans.get(name);
  if (vlan === undefined) return ownLan(name, sight);
  const { id, lower } = vlan;
  const ports = namesIn(`${sight.folder}/${lower}/brif`);
  if (ports.length === 0) return { ports, vlan: id };
  const ranges = keepsVlansApart(lower, sight) ? (sight.bridgeVlans?.() ?? NO_RANGES) : undefined;
  return { ...vlanOn(lower, ports, id, ranges, sight), bridge: lower };
}

/** Of a bridge itself: where it keeps VLANs apart, that one which its own frames without a tag are of. */
function ownLan(name: string, sight: Sight): Lan {
  const ports = namesIn(`${sight.folder}/${name}/brif`);
  if (ports.length === 0) return { ports };
  const ranges = keepsVlansApart(name, sight) ? sight.bridgeVlans?.() : undefined;
  if (ranges === undefined || ranges.size === 0) return { ports, ...bridgeState(name, ports, sight) };
  const own = ranges.get(indexOf(name, sight))?.find(({ pvid }) => pvid)?.first;
  return own === undefined ? { ports: [] } : vlanOn(name, ports, own, ranges, sight);
}

const NO_RANGES: ReturnType<BridgeVlans> = new Map();

/** @param ranges of a bridge that keeps VLANs apart; undefined: all its ports carry all with their tags. */
function vlanOn(
  bridge: string,
  all: readonly string[],
  id: number,
  ranges: ReturnType<BridgeVlans> | undefined,
  sight: Sight,
): Lan {
  const portVlans = Object.fromEntries(
    all.flatMap((port) => {
      const how = ranges === undefined ? TAGGED : carriedIn(ranges.get(indexOf(port, sight)) ?? [], id);
      return how === undefined ? [] : [[port, how] as const];
    }),
  );
  const ports = Object.keys(portVlans);
  return { ports, vlan: id, portVlans, ...bridgeState(bridge, ports, sight) };
}

const TAGGED: PortVlan = { pvid: false, untagged: false };

function carriedIn(ranges: readonly VlanRange[], id: number): PortVlan | undefined {
  const range = ranges.find(({ first, last }) => first <= id && id <= last);
  return range && { pvid: range.pvid, untagged: range.untagged };
}

const indexOf = (name: string, { folder }: Sight): number => Number(read(`${folder}/${name}/ifindex`));

const keepsVlansApart = (bridge: string, { folder }: Sight): boolean =>
  read(`${folder}/${bridge}/bridge/vlan_filtering`) === "1";

function bridgeState(bridge: string, ports: readonly string[], sight: Sight): Pick<Lan, "topology" | "snoops"> {
  const folder = `${sight.folder}/${bridge}`;
  return { topology: topologyOf(folder, ports), snoops: read(`${folder}/bridge/multicast_snooping`) === "1" };
}

/** The state of each port (IEEE 802.1D: forwarding or not), and the bridge's topology change flag. */
const topologyOf = (folder: string, ports: readonly string[]): string =>
  [...ports.map((port) => read(`${folder}/brif/${port}/state`)), read(`${folder}/bridge/topology_change`)].join(" ");

function ipv4Of(addresses: Addresses[string] = []): Link["addresses"] {
  return addresses.flatMap(({ family, address, cidr }) => {
    const parsed = family === "IPv4" ? parseIpv4(address) : undefined;
    return parsed === undefined ? [] : [{ address: parsed, prefixLength: Number(cidr?.split("/")[1] ?? 32) }];
  });
}

/** In order; none when there is no such folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** The MAC of a complete entry of /proc/net/arp: address, type, flags, MAC, mask, device. */
export function findNeighbour(table: string, interfaceName: string, address: Ipv4): string | undefined {
  const wanted = formatIpv4(address);
  for (const line of table.split("\n")) {
    const [entry, , flags, mac, , device] = line.split(/\s+/);
    if (entry === wanted && device === interfaceName && (Number(flags) & ATF_COM) !== 0) return mac;
  }
  return undefined;
}

/** How changes are seen. */
export interface Looking {
  /** Where there is none, or when it ends, we look every second. */
  readonly monitor: Monitor;
  /**
   * A monitor hears nothing until it has started, and some changes (a carrier) come a moment before /sys shows them, without a
   * line: we look after `first` in any case, after twice that, and so on, then every `last`.
   */
  readonly first: Duration;
  readonly last: Duration;
  /** Which VLANs the ports of bridges are in; absent: nobody can tell. */
  readonly bridgeVlans?: BridgeVlans | undefined;
}

const LOOKING: Looking = {
  monitor: commandMonitor(),
  first: milliseconds(50),
  last: seconds(5),
};

/** This machine's, with one `ip monitor` a watch. */
export const linuxLinks: Links = linksBy(LOOKING.monitor);

// Nothing has been seen before the first look: who watches has looked by itself, perhaps at a moment between two changes.
function watchAll(changed: (links: readonly Link[]) => void, looking: Looking): () => void {
  let seen = "";
  return lookAtChanges(() => {
    const links = listLinks(sightNow(looking.bridgeVlans));
    const now = JSON.stringify(links);
    if (now === seen) return;
    seen = now;
    changed(links);
  }, looking);
}

/**
 * Calls `changed` for each of these names at the first look and at each change of its link until the function that it returns is
 * called.
 */
export function watchLinks(names: readonly string[], changed: Changed, looking: Partial<Looking> = {}): () => void {
  const seen = new Map<string, string>();
  return lookAtChanges(
    (isStopped) => {
      const sight = sightNow(looking.bridgeVlans);
      for (const name of names) {
        const link = readLink(name, sight);
        const text = JSON.stringify(link) ?? "gone";
        if (isStopped() || text === seen.get(name)) continue;
        seen.set(name, text);
        changed(name, link);
      }
    },
    { ...LOOKING, ...looking },
  );
}

/** Calls `glance` when something may have changed, until the function that it returns is called. */
function lookAtChanges(glance: (isStopped: () => boolean) => void, looking: Looking): () => void {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const look = (): void => {
    if (!stopped) glance(() => stopped);
  };
  const stop = looking.monitor(look, () => {
    if (!stopped) timer ??= setInterval(look, LOOK_EVERY);
  });
  const settle = lookLessAndLess(look, looking);
  return () => {
    stopped = true;
    settle();
    clearInterval(timer);
    stop();
  };
}

/** Returns the way to stop. */
function lookLessAndLess(look: () => void, { first, last }: Looking): () => void {
  let looks = 0;
  const again = (): void => {
    look();
    timer = setTimeout(again, doubled(first, ++looks, last));
  };
  let timer = setTimeout(again, first);
  return () => clearTimeout(timer);
}
