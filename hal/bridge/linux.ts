// The multicast database of a Linux bridge (MDB), by rtnetlink. The kernel's own snooping stays on, for only then does the bridge look
// into its database; our entries are permanent, which that snooping leaves alone, and it keeps reports from all but router ports.
//
// That snooping opens a port by itself to whatever its hosts report, before we have heard it and while nobody runs here. What we refused
// it cannot open: an entry of ours that gives the port nothing is in its place.
//
// mcast_flood of the ports is not touched: without it 224.0.0.0/24 would not reach them, and it holds back nothing that the bridge itself
// sends. A group goes to the ports of the database only as soon as the bridge has known a querier for the time to answer that its first
// query gave (1 s by default), and until it has heard none for multicast_querier_interval.
import { readdirSync } from "node:fs";
import { Counters } from "../../core/base/counters.ts";
import type { Ipv4 } from "../../core/base/ipv4.ts";
import type { Duration } from "../../core/base/time.ts";
import { ANY_SOURCE, NO_SOURCE, type SourceFilter, wantsNothing } from "../../core/igmp/filter.ts";
import type { BridgeTable, BridgeTables } from "../../core/ports/bridge-table.ts";
import { HalError } from "../../core/ports/errors.ts";
import { NativeSocket, ReceiveRoom } from "../native/socket.ts";
import type { SocketsModule } from "../native/sockets.ts";
import { loadSockets } from "../native.ts";
import { interfaceIndex, writeNative16 } from "../socket-options.ts";
import {
  allEntries,
  answersIn,
  deleteEntry,
  type MdbAnswer,
  type MdbDialect,
  type MdbEntry,
  type MdbState,
  newEntry,
  newRefusal,
} from "./mdb-message.ts";
import { PortEntries } from "./port-entries.ts";
import type { BridgeSettings } from "./settings.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const SOCKADDR_NL_OCTETS = 12;
/** The kernel fills at most so much of a read of this size. */
const SLOT = 32768;

const ENOENT = 2;
const EEXIST = 17;
const ENODEV = 19;
const EINVAL = 22;

/** Groups of a bridge. */
const ROOM = 65_536;

/** Ports and groups of a bridge that are kept refused; beyond, what was refused first the bridge judges by itself again. */
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

  open(bridge: string, silence?: Duration): BridgeTable {
    const index = interfaceIndex(bridge);
    const settings = this.#settings;
    let kernel: Kernel | undefined;
    try {
      kernel = new Kernel(this.#native, this.#dialect);
      // Frames for groups are looked up by (source, group) only in version 3; our router hears every group whoever is the querier.
      settings.set(`${bridge}/bridge/multicast_igmp_version`, "3");
      settings.set(`${bridge}/bridge/multicast_router`, "2");
      // When it is full the kernel turns snooping off: what hosts report to it must not bring that about soon.
      settings.raise(`${bridge}/bridge/hash_max`, ROOM);
      // Of another querier, too: when it falls silent we ask before the bridge floods.
      if (silence !== undefined) settings.raise(`${bridge}/bridge/multicast_querier_interval`, silence / TICK);
      settings.set(`${bridge}/bridge/multicast_snooping`, "1");
      return new LinuxBridgeTable({ name: bridge, bridge: index ?? 0, settings, kernel });
    } catch (cause) {
      settings.restoreAll(isOf(bridge));
      kernel?.close();
      throw openError(bridge, cause);
    }
  }
}

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

type FoundEntry = Extract<MdbAnswer, { kind: "entry" | "refusal" }>;

/** Requests to the kernel, each answered before it returns. */
class Kernel {
  readonly #socket: NativeSocket;
  #sequence = 0;
  #dialect: MdbDialect;

  /** Throws SystemError. */
  constructor(native: SocketsModule, dialect: MdbDialect) {
    this.#dialect = dialect;
    this.#socket = NativeSocket.make(native, new ReceiveRoom(SLOT), [AF_NETLINK, SOCK_RAW, NETLINK_ROUTE]);
  }

  /** errno, 0 when it was done; where the kernel turns out not to know all of it, the dialect is plain from then on. */
  add(entry: MdbEntry): number {
    const errno = this.#replace(entry, this.#dialect, "permanent");
    return errno === EINVAL && this.#dialect === "full" ? this.#addPlain(entry) : errno;
  }

  /** As if the kernel had just heard a report: nobody's entry, which it ends by itself. */
  leave(entry: MdbEntry): number {
    return this.#replace(entry, "plain", "temporary");
  }

  #replace(entry: MdbEntry, dialect: MdbDialect, state: MdbState): number {
    const add = () => this.#done((sequence) => newEntry(sequence, entry, dialect, state));
    const errno = add();
    if (errno !== EEXIST) return errno;
    // It does not replace.
    this.remove(entry);
    return add();
  }

  #addPlain(entry: MdbEntry): number {
    const errno = this.#done((sequence) => newEntry(sequence, entry, "plain", "permanent"));
    if (errno === 0 || errno === EEXIST) this.#dialect = "plain";
    return errno;
  }

  /** Whether the port gets nothing of the group from now on, whatever it reports; false: as before. */
  refuse(place: Place): boolean {
    if (this.#dialect !== "full") return false;
    const request = (sequence: number): Buffer => newRefusal(sequence, place);
    const errno = this.#done(request);
    if (errno !== EEXIST) return errno === 0;
    this.remove({ ...place, source: undefined });
    return this.#done(request) === 0;
  }

  /** errno, 0 when it was done or there is no such entry. */
  remove(entry: MdbEntry): number {
    const errno = this.#done((sequence) => deleteEntry(sequence, entry));
    return errno === ENOENT || errno === EINVAL || errno === ENODEV ? 0 : errno;
  }

  /** What is there. */
  entries(bridge: number): readonly FoundEntry[] {
    const found: FoundEntry[] = [];
    this.#ask(allEntries, (answer) => {
      if ((answer.kind === "entry" || answer.kind === "refusal") && answer.entry.bridge === bridge) found.push(answer);
    });
    return found;
  }

  /** The numbers of ports behind which it knows a router. */
  routers(bridge: number): ReadonlySet<number> {
    const found = new Set<number>();
    this.#ask(allEntries, (answer) => {
      if (answer.kind === "router" && answer.bridge === bridge) found.add(answer.port);
    });
    return found;
  }

  close(): void {
    this.#socket.close();
  }

  #done(request: (sequence: number) => Buffer): number {
    let errno = EINVAL;
    this.#ask(request, (answer) => {
      if (answer.kind === "done") errno = answer.errno;
    });
    return errno;
  }

  /** The kernel has answered when the send returns, a long answer in parts as they are read. */
  #ask(request: (sequence: number) => Buffer, hear: (answer: MdbAnswer) => void): void {
    const sequence = ++this.#sequence;
    const error = this.#socket.send(request(sequence), TO_KERNEL);
    if (error !== undefined) return;
    let done = false;
    while (!done) {
      let heard = false;
      this.#socket.drain((room, slot) => {
        heard = true;
        for (const answer of answersIn(room.octets(slot))) {
          if (answer.kind === "done") done ||= answer.sequence === sequence;
          hear(answer);
        }
      });
      if (!heard) return;
    }
  }
}

/** struct sockaddr_nl of the kernel. */
const TO_KERNEL = Buffer.alloc(SOCKADDR_NL_OCTETS);
writeNative16(TO_KERNEL, 0, AF_NETLINK);

interface Parts {
  readonly name: string;
  /** Its number. */
  readonly bridge: number;
  readonly settings: BridgeSettings;
  readonly kernel: Kernel;
}

class LinuxBridgeTable implements BridgeTable {
  readonly #name: string;
  readonly #bridge: number;
  readonly #settings: BridgeSettings;
  readonly #kernel: Kernel;
  readonly #counts = new Counters<BridgeCount>();
  readonly #groups = new Map<Ipv4, PortEntries>();
  /** The first refused first. */
  readonly #refused = new Map<string, Place>();
  /** Numbers of ports by name, as they were last: of one that is gone nobody else knows it. */
  readonly #numbers = new Map<string, number>();
  readonly #routersFound: readonly string[];
  /** What was written into each port's setting. */
  #routers: ReadonlyMap<string, string> = new Map();

  constructor({ name, bridge, settings, kernel }: Parts) {
    this.#name = name;
    this.#bridge = bridge;
    this.#settings = settings;
    this.#kernel = kernel;
    for (const { kind, entry, ours } of kernel.entries(bridge))
      if (ours && kind === "refusal") this.#refused.set(keyOf(entry), entry);
      else if (ours) this.#entries(entry.group).inherit(entry.port, entry.source);
    const routers = kernel.routers(bridge);
    this.#routersFound = portsOf(name).filter((port) => routers.has(interfaceIndex(port) ?? 0));
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
    const place = { bridge: this.#bridge, port: index, group };
    const key = keyOf({ ...place, source: undefined });
    if (this.#refused.has(key)) return;
    const isKept = this.#kernel.refuse(place);
    // In place of what the port had.
    if (isKept) this.#groups.get(group)?.removed(index, undefined);
    else this.#counts.count("bridge.refuse-failed");
    this.#set(index, group, NO_SOURCE, isKept);
    if (isKept) this.#noteRefused(key, place);
  }

  #noteRefused(key: string, place: Place): void {
    this.#refused.set(key, place);
    const [oldest] = this.#refused;
    if (this.#refused.size <= MOST_REFUSED || oldest === undefined) return;
    this.#refused.delete(oldest[0]);
    this.#remove({ ...oldest[1], source: undefined });
  }

  restore(): void {
    this.#snoop();
    const entries = this.#kernel.entries(this.#bridge);
    this.#restoreRefused(new Set(entries.filter(({ kind }) => kind === "refusal").map(({ entry }) => keyOf(entry))));
    const found = new Set(entries.filter(({ kind }) => kind === "entry").map(({ entry }) => keyOf(entry)));
    for (const [group, entries] of this.#groups) {
      for (const [port, source] of entries.present())
        if (!found.has(keyOf({ port, group, source }))) entries.removed(port, source);
      this.#apply(group, entries);
    }
  }

  /** Of a port that is gone nobody reports anything. */
  #restoreRefused(found: ReadonlySet<string>): void {
    for (const [key, place] of this.#refused)
      if (!found.has(key) && !this.#kernel.refuse(place)) this.#refused.delete(key);
  }

  /** Somebody else, or the kernel when its table was full, may have turned it off. */
  #snoop(): void {
    try {
      this.#settings.set(`${this.#name}/bridge/multicast_snooping`, "1");
    } catch {
      this.#counts.count("bridge.set-failed");
    }
  }

  #set(port: number, group: Ipv4, filter: SourceFilter, isRefused = this.#isRefused(port, group)): void {
    const entries = this.#entries(group);
    entries.set(port, filter);
    const place = { bridge: this.#bridge, port, group, source: undefined };
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
    for (const [to, source] of entries.toAdd()) this.#add(entries, { bridge: this.#bridge, port: to, group, source });
    for (const [from, source] of entries.toRemove()) {
      this.#remove({ bridge: this.#bridge, port: from, group, source });
      entries.removed(from, source);
    }
  }

  #add(entries: PortEntries, entry: MdbEntry): void {
    let errno = this.#kernel.add(entry);
    if (errno === EINVAL) {
      this.#snoop();
      errno = this.#kernel.add(entry);
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
    if (this.#kernel.remove(entry) !== 0) this.#counts.count("bridge.remove-failed");
  }

  /** A port that is neither is the kernel's to judge: it takes any query for a router's, whoever asks. */
  routerPorts(routers: readonly string[], others: readonly string[]): void {
    const wanted = new Map([
      ...others.map((port) => [port, NEVER] as const),
      ...routers.map((port) => [port, ALWAYS] as const),
    ]);
    for (const port of this.#routers.keys()) if (!wanted.has(port)) this.#settings.restore(routerFile(port));
    this.#routers = wanted;
    for (const [port, value] of wanted) this.#markRouter(port, value);
  }

  #markRouter(port: string, value: string): void {
    const file = routerFile(port);
    try {
      // That of an operator stays.
      if (value === NEVER && this.#settings.found(file) === ALWAYS) this.#settings.restore(file);
      else this.#settings.set(file, value);
    } catch {
      this.#counts.count("bridge.router-port-failed");
    }
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

  /** "" where it is gone. */
  #found(setting: string): string {
    try {
      return this.#settings.found(`${this.#name}/bridge/${setting}`);
    } catch {
      return "";
    }
  }

  /**
   * To a bridge that snooped before us: what it had learnt of the ports, had it been on its own. It would else give them nothing until
   * each host reports again. It tells sources apart in version 3 alone.
   */
  #leave(): void {
    const tellsSources = this.#found("multicast_igmp_version") === "3";
    this.#settings.restoreAll(isOf(this.#name));
    for (const [group, entries] of this.#groups) {
      const left = entries.left(tellsSources).map(([port, source]) => ({ bridge: this.#bridge, port, group, source }));
      // A port without carrier can have none that ends by itself: then it has none at all, for ours would never end.
      const kept = new Set(left.filter((entry) => this.#kernel.leave(entry) === 0).map(keyOf));
      for (const [port, source] of entries.present())
        if (!kept.has(keyOf({ port, group, source }))) this.#remove({ bridge: this.#bridge, port, group, source });
    }
    this.#groups.clear();
  }

  #removeAll(): void {
    for (const [group, entries] of [...this.#groups])
      for (const port of entries.ports()) this.#set(port, group, NO_SOURCE);
  }

  close(): void {
    const ports = [...this.#routers.keys(), ...portsOf(this.#name)];
    // Each gets everything while the entries go: a bridge that is to flood again does not yet, and nobody is to miss a packet.
    for (const port of ports) this.#markRouter(port, ALWAYS);
    if (this.#found("multicast_snooping") === "1") this.#leave();
    else this.#removeAll();
    for (const place of this.#refused.values()) this.#remove({ ...place, source: undefined });
    this.#settings.restoreAll(isOf(this.#name));
    for (const port of ports) this.#settings.restore(routerFile(port));
    this.#kernel.close();
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

/** A port and a group. */
type Place = Omit<MdbEntry, "source">;

const keyOf = ({ port, group, source }: Omit<MdbEntry, "bridge">): string => `${port} ${group} ${source ?? "*"}`;
