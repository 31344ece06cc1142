// The multicast database of a Linux bridge (MDB), by rtnetlink. The kernel's own snooping stays on, for only then does the bridge look
// into its database; our entries are permanent, which that snooping leaves alone, and it keeps reports from all but router ports.
//
// That snooping opens a port by itself to whatever its hosts report, before we have heard it and while nobody runs here. What we refused
// it cannot open: an entry of ours that gives the port nothing is in its place.
//
// mcast_flood of the ports is not touched: without it 224.0.0.0/24 would not reach them, and it holds back nothing that the bridge itself
// sends. A group goes to the ports of the database only as soon as the bridge has known a querier for the time to answer that its first
// query gave (1 s by default), and until it has heard none for multicast_querier_interval.
import { readdirSync, readFileSync } from "node:fs";
import { Counters } from "../../core/base/counters.ts";
import type { Ipv4 } from "../../core/base/ipv4.ts";
import { ANY_SOURCE, NO_SOURCE, type SourceFilter, wantsNothing } from "../../core/igmp/filter.ts";
import type { BridgeTable, BridgeTableOptions, BridgeTables } from "../../core/ports/bridge-table.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { SocketsModule } from "../native/sockets.ts";
import { loadSockets } from "../native.ts";
import { interfaceIndex } from "../socket-options.ts";
import { EINVAL, type FoundEntry, MdbKernel } from "./mdb-kernel.ts";
import type { MdbDialect, MdbEntry } from "./mdb-message.ts";
import { PortEntries } from "./port-entries.ts";
import type { BridgeSettings } from "./settings.ts";

/** Groups of a bridge. */
const ROOM = 65_536;

/** Ports and groups of a bridge, or of one VLAN of it, that are kept refused; beyond, what was refused first the bridge judges by itself again. */
export const MOST_REFUSED = 1024;

/** The kernel's times in /sys are in hundredths of a second. */
const TICK = 10;

const GONE: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ENODEV"]);
const REFUSED: ReadonlySet<string> = new Set(["EPERM", "EACCES", "EROFS"]);

/** What the kernel refused. */
export type BridgeCount =
  /** Its database is full (mcast_hash_max, mcast_max_groups), or the port is not the bridge's any more. */
  | "bridge.set-failed"
  | "bridge.remove-failed"
  /** The port is not there, or its setting may not be written. */
  | "bridge.router-port-failed"
  /** A port and group that were refused stay so only while we look after them: the kernel is before 6.2, or refused it. */
  | "bridge.refuse-failed"
  /** More sources of a group than are told apart, or a kernel before 5.10, which tells none: the port gets all of the group. */
  | "bridge.not-filtered";

/** Needs root or CAP_NET_ADMIN, and /sys not mounted read-only. */
export class LinuxBridgeTables implements BridgeTables {
  readonly #native: SocketsModule;
  readonly #settings: BridgeSettings;
  readonly #dialect: MdbDialect;
  /** Those of which somebody has a table. */
  readonly #bridges = new Map<string, LinuxBridge>();

  /** With the addon given; `load` finds it. @param dialect the most that is tried. */
  constructor(native: SocketsModule, settings: BridgeSettings, dialect: MdbDialect = "full") {
    this.#native = native;
    this.#settings = settings;
    this.#dialect = dialect;
  }

  /** Rejects with HalError "bridge.native-missing". */
  static async load(settings: BridgeSettings): Promise<LinuxBridgeTables> {
    return new LinuxBridgeTables(await loadSockets("bridge"), settings);
  }

  open(name: string, { vlan, silence }: BridgeTableOptions = {}): BridgeTable {
    const index = interfaceIndex(name) ?? 0;
    const known = this.#bridges.get(name);
    if (known !== undefined && known.index !== index) known.end();
    const isMixed = vlan !== undefined && !keepsVlansApart(name);
    if (isMixed && index !== 0) throw mixedVlans(name, vlan);
    const bridge = this.#bridges.get(name) ?? this.#take(name, index);
    // Of another querier, too: when it falls silent we ask before the bridge floods.
    if (silence !== undefined) this.#settings.raise(`${name}/bridge/multicast_querier_interval`, silence / TICK);
    return bridge.open(vlan);
  }

  #take(name: string, index: number): LinuxBridge {
    const settings = this.#settings;
    let kernel: MdbKernel | undefined;
    try {
      kernel = new MdbKernel(this.#native, this.#dialect);
      // Frames for groups are looked up by (source, group) only in version 3; our router hears every group whoever is the querier.
      settings.set(`${name}/bridge/multicast_igmp_version`, "3");
      settings.set(`${name}/bridge/multicast_router`, "2");
      // When it is full the kernel turns snooping off: what hosts report to it must not bring that about soon.
      settings.raise(`${name}/bridge/hash_max`, ROOM);
      settings.set(`${name}/bridge/multicast_snooping`, "1");
    } catch (cause) {
      settings.restoreAll(isOf(name));
      kernel?.close();
      throw openError(name, cause);
    }
    const bridge = new LinuxBridge({ name, index, settings, kernel }, () => this.#bridges.delete(name));
    this.#bridges.set(name, bridge);
    return bridge;
  }
}

const keepsVlansApart = (bridge: string): boolean => {
  try {
    return readFileSync(`/sys/class/net/${bridge}/bridge/vlan_filtering`, "latin1").trim() === "1";
  } catch {
    return false;
  }
};

const mixedVlans = (bridge: string, vlan: number): HalError =>
  new HalError(
    "bridge.mixed-vlans",
    `${bridge} has one multicast table for all VLANs, and VLAN ${vlan} is one of them`,
    {
      needs: `a bridge that keeps VLANs apart: ip link set ${bridge} type bridge vlan_filtering 1`,
      alternative: "run without snooping (`snooping: false`)",
    },
  );

const isOf =
  (bridge: string) =>
  (path: string): boolean =>
    path.startsWith(`${bridge}/bridge/`) && !path.endsWith("/multicast_querier");

function openError(bridge: string, cause: unknown): HalError {
  const { code = "", message } = cause as NodeJS.ErrnoException;
  if (GONE.has(code))
    return new HalError("bridge.no-bridge", `${bridge} is no bridge that keeps multicast groups`, {
      cause,
      needs: `${bridge} to be a bridge, and a kernel with CONFIG_BRIDGE_IGMP_SNOOPING`,
      alternative: "run without snooping (`snooping: false`)",
    });
  if (REFUSED.has(code))
    return new HalError("bridge.permission", `the multicast table of bridge ${bridge} may not be changed (${code})`, {
      cause,
      needs: "root of the network namespace, and /sys not mounted read-only",
      alternative: "run without snooping (`snooping: false`)",
    });
  return new HalError("bridge.failed", `the multicast table of bridge ${bridge} cannot be opened: ${message}`, {
    cause,
    needs: "free file descriptors and memory",
  });
}

interface Parts {
  readonly name: string;
  /** Its number. */
  readonly index: number;
  readonly settings: BridgeSettings;
  readonly kernel: MdbKernel;
}

interface RouterPorts {
  readonly routers: readonly string[];
  readonly others: readonly string[];
}

/** What the tables of one bridge have in common: its settings, and where routers are. */
class LinuxBridge {
  readonly #parts: Parts;
  readonly #ended: () => void;
  readonly #tables = new Set<LinuxBridgeTable>();
  /** Those that wait whether the others close too. */
  readonly #closing = new Set<LinuxBridgeTable>();
  /** As the table of each VLAN was told last. */
  readonly #routerPorts = new Map<number | undefined, RouterPorts>();
  /** What was written into each port's setting. */
  #marked: ReadonlyMap<string, string> = new Map();

  constructor(parts: Parts, ended: () => void) {
    this.#parts = parts;
    this.#ended = ended;
  }

  get index(): number {
    return this.#parts.index;
  }

  open(vlan: number | undefined): LinuxBridgeTable {
    this.#settle();
    const table = new LinuxBridgeTable(this, this.#parts, vlan);
    this.#tables.add(table);
    return table;
  }

  /** A port that is neither is the kernel's to judge: it takes any query for a router's, whoever asks. False: a setting failed. */
  routerPorts(vlan: number | undefined, ports: RouterPorts): boolean {
    this.#routerPorts.set(vlan, ports);
    return this.#mark();
  }

  /** The kernel has one setting for all VLANs of a port. */
  #mark(): boolean {
    const told = [...this.#routerPorts.values()];
    const wanted = new Map([
      ...told.flatMap(({ others }) => others.map((port) => [port, NEVER] as const)),
      ...told.flatMap(({ routers }) => routers.map((port) => [port, ALWAYS] as const)),
    ]);
    for (const port of this.#marked.keys()) if (!wanted.has(port)) this.#parts.settings.restore(routerFile(port));
    this.#marked = wanted;
    return [...wanted].map(([port, value]) => this.#markRouter(port, value)).every((done) => done);
  }

  #markRouter(port: string, value: string): boolean {
    const { settings } = this.#parts;
    const file = routerFile(port);
    try {
      // That of an operator stays.
      if (value === NEVER && settings.found(file) === ALWAYS) settings.restore(file);
      else settings.set(file, value);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * When all tables close, one after the other, it is the last that gives the bridge back: what the first had would be missing until then.
   * One that closes alone, as when its VLAN is no more, is over a moment later.
   */
  close(table: LinuxBridgeTable): void {
    if (!this.#tables.has(table)) return;
    this.#closing.add(table);
    if (this.#closing.size === this.#tables.size) this.end();
    else queueMicrotask(() => this.#settle());
  }

  #settle(): void {
    for (const table of this.#closing) {
      this.#tables.delete(table);
      this.#giveBack(table);
      if (![...this.#tables].some(({ vlan }) => vlan === table.vlan)) this.#routerPorts.delete(table.vlan);
    }
    if (this.#closing.size > 0) this.#mark();
    this.#closing.clear();
  }

  /** Also of one VLAN alone: whoever snooped before us does so in that VLAN from now on. It tells sources apart in version 3 alone. */
  #giveBack(table: LinuxBridgeTable): void {
    if (this.#hasSnooped()) table.leave(this.#found("multicast_igmp_version") === "3");
    else table.removeAll();
  }

  #hasSnooped(): boolean {
    return this.#found("multicast_snooping") === "1";
  }

  /** "" where it is gone. */
  #found(setting: string): string {
    const { name, settings } = this.#parts;
    try {
      return settings.found(`${name}/bridge/${setting}`);
    } catch {
      return "";
    }
  }

  /** As it was found. */
  end(): void {
    const { name, settings, kernel } = this.#parts;
    const ports = [...this.#marked.keys(), ...portsOf(name)];
    // Each gets everything while the entries go: a bridge that is to flood again does not yet, and nobody is to miss a packet.
    for (const port of ports) this.#markRouter(port, ALWAYS);
    if (this.#hasSnooped()) settings.restoreAll(isOf(name));
    for (const table of this.#tables) this.#giveBack(table);
    settings.restoreAll(isOf(name));
    for (const port of ports) settings.restore(routerFile(port));
    this.#tables.clear();
    this.#closing.clear();
    kernel.close();
    this.#ended();
  }
}

class LinuxBridgeTable implements BridgeTable {
  readonly vlan: number | undefined;
  readonly #shared: LinuxBridge;
  readonly #parts: Parts;
  readonly #counts = new Counters<BridgeCount>();
  readonly #groups = new Map<Ipv4, PortEntries>();
  /** The first refused first. */
  readonly #refused = new Map<string, MdbEntry>();
  /** Numbers of ports by name, as they were last: of one that is gone nobody else knows it. */
  readonly #numbers = new Map<string, number>();
  readonly #routersFound: readonly string[];

  constructor(shared: LinuxBridge, parts: Parts, vlan: number | undefined) {
    this.#shared = shared;
    this.#parts = parts;
    this.vlan = vlan;
    const { kernel, index, name } = parts;
    for (const { kind, entry, ours } of kernel.entries(index).filter((one) => this.#isMine(one)))
      if (ours && kind === "refusal") this.#refused.set(keyOf(entry), this.#entry(entry.port, entry.group, undefined));
      else if (ours) this.#entries(entry.group).inherit(entry.port, entry.source);
    const routers = kernel.routers(index);
    this.#routersFound = portsOf(name).filter((port) => routers.has(interfaceIndex(port) ?? 0));
  }

  #isMine({ entry }: FoundEntry): boolean {
    return this.vlan === undefined || entry.vlan === this.vlan;
  }

  #entries(group: Ipv4): PortEntries {
    const entries = this.#groups.get(group) ?? new PortEntries();
    this.#groups.set(group, entries);
    return entries;
  }

  set(port: string, group: Ipv4, filter: SourceFilter): void {
    const index = interfaceIndex(port) ?? this.#numbers.get(port);
    if (index === undefined) return;
    this.#numbers.set(port, index);
    this.#set(index, group, filter);
  }

  refuse(port: string, group: Ipv4): void {
    const index = interfaceIndex(port);
    if (index === undefined) return;
    this.#numbers.set(port, index);
    if (this.#isRefused(index, group)) return;
    const place = this.#entry(index, group, undefined);
    const isKept = this.#parts.kernel.refuse(place);
    // In place of what the port had.
    if (isKept) this.#groups.get(group)?.removed(index, undefined);
    else this.#counts.count("bridge.refuse-failed");
    this.#set(index, group, NO_SOURCE, isKept);
    if (isKept) this.#noteRefused(place);
  }

  #noteRefused(place: MdbEntry): void {
    this.#refused.set(keyOf(place), place);
    const [oldest] = this.#refused;
    if (this.#refused.size <= MOST_REFUSED || oldest === undefined) return;
    this.#refused.delete(oldest[0]);
    this.#remove(oldest[1]);
  }

  restore(): void {
    this.#snoop();
    const { kernel, index } = this.#parts;
    const mine = kernel.entries(index).filter((one) => this.#isMine(one));
    this.#restoreRefused(new Set(mine.filter(({ kind }) => kind === "refusal").map(({ entry }) => keyOf(entry))));
    const found = new Set(mine.filter(({ kind }) => kind === "entry").map(({ entry }) => keyOf(entry)));
    for (const [group, entries] of this.#groups) {
      for (const [port, source] of entries.present())
        if (!found.has(keyOf({ port, group, source }))) entries.removed(port, source);
      this.#apply(group, entries);
    }
  }

  /** Of a port that is gone nobody reports anything. */
  #restoreRefused(found: ReadonlySet<string>): void {
    for (const [key, place] of this.#refused)
      if (!found.has(key) && !this.#parts.kernel.refuse(place)) this.#refused.delete(key);
  }

  /** Somebody else, or the kernel when its table was full, may have turned it off. */
  #snoop(): void {
    const { settings, name } = this.#parts;
    try {
      settings.set(`${name}/bridge/multicast_snooping`, "1");
    } catch {
      this.#counts.count("bridge.set-failed");
    }
  }

  #set(port: number, group: Ipv4, filter: SourceFilter, isRefused = this.#isRefused(port, group)): void {
    const entries = this.#entries(group);
    entries.set(port, filter);
    const place = this.#entry(port, group, undefined);
    if (isRefused && !wantsNothing(filter)) this.#allow(place, entries);
    this.#apply(group, entries);
    // What the kernel's own snooping has learnt of the port would outlive ours.
    if (wantsNothing(filter) && !isRefused) this.#remove(place);
    if (filter.mode === "include" && entries.isUnfiltered(port)) this.#counts.count("bridge.not-filtered");
    if (entries.isEmpty) this.#groups.delete(group);
  }

  #isRefused(port: number, group: Ipv4): boolean {
    return this.#refused.has(keyOf({ port, group, source: undefined }));
  }

  /** An entry for all sources takes the place of the refusal by itself. */
  #allow(place: MdbEntry, entries: PortEntries): void {
    this.#refused.delete(keyOf(place));
    if (!entries.isUnfiltered(place.port)) this.#remove(place);
  }

  /** First what is to come: nothing that is wanted before and after is lost between the two. */
  #apply(group: Ipv4, entries: PortEntries): void {
    for (const [to, source] of entries.toAdd()) this.#add(entries, this.#entry(to, group, source));
    for (const [from, source] of entries.toRemove()) {
      this.#remove(this.#entry(from, group, source));
      entries.removed(from, source);
    }
  }

  #entry(port: number, group: Ipv4, source: Ipv4 | undefined): MdbEntry {
    return { bridge: this.#parts.index, port, group, source, vlan: this.vlan };
  }

  #add(entries: PortEntries, entry: MdbEntry): void {
    const { kernel } = this.#parts;
    let errno = kernel.add(entry);
    if (errno === EINVAL) {
      this.#snoop();
      errno = kernel.add(entry);
    }
    if (errno === 0) entries.added(entry.port, entry.source);
    else if (errno === EINVAL && entry.source !== undefined) this.#addAll(entries, entry);
    else this.#counts.count("bridge.set-failed");
  }

  /** Better too much than a viewer who gets nothing. */
  #addAll(entries: PortEntries, entry: MdbEntry): void {
    this.#counts.count("bridge.not-filtered");
    entries.set(entry.port, ANY_SOURCE);
    this.#add(entries, { ...entry, source: undefined });
  }

  #remove(entry: MdbEntry): void {
    if (this.#parts.kernel.remove(entry) !== 0) this.#counts.count("bridge.remove-failed");
  }

  routerPorts(routers: readonly string[], others: readonly string[]): void {
    if (!this.#shared.routerPorts(this.vlan, { routers, others })) this.#counts.count("bridge.router-port-failed");
  }

  routersFound(): readonly string[] {
    return this.#routersFound;
  }

  confirm(): void {
    for (const [group, entries] of [...this.#groups])
      for (const port of entries.inherited) this.#set(port, group, NO_SOURCE);
  }

  counts(): Readonly<Record<string, number>> {
    return this.#counts.snapshot();
  }

  /**
   * To a bridge that snooped before us: what it had learnt of the ports, had it been on its own. It would else give them nothing until
   * each host reports again.
   */
  leave(tellsSources: boolean): void {
    for (const [group, entries] of this.#groups) {
      const left = entries.left(tellsSources).map(([port, source]) => this.#entry(port, group, source));
      // A port without carrier can have none that ends by itself: then it has none at all, for ours would never end.
      const kept = new Set(left.filter((entry) => this.#parts.kernel.leave(entry) === 0).map(keyOf));
      for (const [port, source] of entries.present())
        if (!kept.has(keyOf({ port, group, source }))) this.#remove(this.#entry(port, group, source));
    }
    this.#groups.clear();
    this.#forgetRefused();
  }

  /** Every entry goes. */
  removeAll(): void {
    for (const [group, entries] of [...this.#groups])
      for (const port of entries.ports()) this.#set(port, group, NO_SOURCE);
    this.#forgetRefused();
  }

  #forgetRefused(): void {
    for (const entry of this.#refused.values()) this.#remove(entry);
    this.#refused.clear();
  }

  close(): void {
    this.#shared.close(this);
  }
}

/** Of a port's multicast_router; 1 is as the bridge itself hears it. */
const [NEVER, ALWAYS] = ["0", "2"];

function portsOf(bridge: string): readonly string[] {
  try {
    return readdirSync(`/sys/class/net/${bridge}/brif`);
  } catch {
    return [];
  }
}

const routerFile = (port: string): string => `${port}/brport/multicast_router`;

const keyOf = ({ port, group, source }: Omit<MdbEntry, "bridge">): string => `${port} ${group} ${source ?? "*"}`;
