// The kernel's multicast routing (linux/mroute.h). One process a network namespace may hold it; one that dies without a stop leaves it
// to its keeper for a while, and the next takes it over.
import { readFileSync } from "node:fs";
import { Counters } from "../../core/base/counters.ts";
import { type Ipv4, readIpv4, writeIpv4 } from "../../core/base/ipv4.ts";
import { type Duration, seconds } from "../../core/base/time.ts";
import { hasRouterAlert } from "../../core/igmp/messages/ip-header.ts";
import { HalError } from "../../core/ports/errors.ts";
import type {
  Forwarding,
  ForwardingListener,
  ForwardingTable,
  MulticastRoute,
  RouteUse,
} from "../../core/ports/forwarding.ts";
import { ReceiveRoom } from "../native/socket.ts";
import { loadRawSocket, loadSockets } from "../native.ts";
import { int32, interfaceIndex, isPermission, writeNative16, writeNative32 } from "../socket-options.ts";
import { endKeeper, type FoundKeeper, findIgmpPrograms, findKeepers, Keeper } from "./keeper.ts";
import { type KernelInterface, type KernelRoute, parseCache, parseUnresolved, parseVifs } from "./kernel-tables.ts";
import { type MrouteSocket, type MrouteSockets, nativeMrouteSockets, rawMrouteSockets } from "./mroute-socket.ts";

const MRT_INIT = 200;
const MRT_DONE = 201;
const MRT_ADD_VIF = 202;
const MRT_DEL_VIF = 203;
const MRT_ADD_MFC = 204;
const MRT_DEL_MFC = 205;
const MRT_ASSERT = 207;

const MAXVIFS = 32;
const VIFF_USE_IFINDEX = 0x8;
const VIFCTL_OCTETS = 16;
const MFCCTL_OCTETS = 60;
const MFCC_GROUP = 4;
const MFCC_PARENT = 8;
const MFCC_TTLS = 10;

/** Packets with a TTL of 1 stay on their link; everything above is forwarded. */
const TTL_THRESHOLD = 1;

// struct igmpmsg: an upcall looks like an IPv4 header whose protocol is 0.
const UPCALL_TYPE = 8;
const UPCALL_ZERO = 9;
const UPCALL_VIF = 10;
const UPCALL_VIF_HIGH = 11;
const UPCALL_SOURCE = 12;
const UPCALL_GROUP = 16;
const UPCALL_OCTETS = 20;
const NOCACHE = 1;
const WRONGVIF = 2;

/** The header of an upcall is that of the packet that it tells of, options included. */
const LONGEST_UPCALL = 128;

/** How long the kernel may take to give back what an ended keeper held. */
const RELEASE = seconds(2);
const LOOK_AGAIN = 5;
/** Between a loss in the queue and what is done about it, in ms: a flood loses many. */
const LOSSES = 1000;

/** Upcalls that make no sense, what was heard too early, and changes that the kernel refused. */
export type MrouteCount =
  | "mroute.short-upcall"
  | "mroute.unknown-upcall"
  /** A question about what is for the routers themselves, such as a report: raw-socket's routing socket may not be handed it. */
  | "mroute.no-stream"
  /** Heard while the socket was being set up, before it was bound: from any interface. */
  | "mroute.before-ready"
  | "mroute.set-failed"
  | "mroute.remove-failed";

/** What a router leaves to its successor, and takes from its predecessor. */
export interface TakeoverOptions {
  /** How long routing goes on when this process dies without closing it; 0: not at all. */
  readonly span: Duration;
  /** Those that are ours: what a predecessor had besides is taken out. */
  readonly interfaces: readonly string[];
  /** The command that does what a `farewell` on its standard input says. */
  readonly farewell: readonly string[];
  /** Is told what the operator should know, in words. */
  warn(text: string): void;
}

const NO_TAKEOVER: TakeoverOptions = { span: seconds(0), interfaces: [], farewell: [], warn() {} };

/** Needs CONFIG_IP_MROUTE, and root or CAP_NET_ADMIN and CAP_NET_RAW; to take over, root or CAP_SYS_PTRACE besides. */
export class LinuxForwarding implements Forwarding {
  readonly counts = new Counters<MrouteCount>();
  readonly #sockets: MrouteSockets;
  readonly #takeover: TakeoverOptions;

  /** With sockets given; `load` finds them. */
  constructor(sockets: MrouteSockets, takeover = NO_TAKEOVER) {
    this.#sockets = sockets;
    this.#takeover = takeover;
  }

  /** On raw-socket, with which nothing is left or taken over. Rejects with HalError "mroute.native-missing". */
  static async load(takeover = NO_TAKEOVER): Promise<LinuxForwarding> {
    return new LinuxForwarding(rawMrouteSockets(await loadRawSocket("mroute")), takeover);
  }

  /** On our addon. Rejects with HalError "mroute.native-missing". */
  static async loadNative(takeover = NO_TAKEOVER): Promise<LinuxForwarding> {
    const room = new ReceiveRoom(LONGEST_UPCALL);
    return new LinuxForwarding(nativeMrouteSockets(await loadSockets("mroute"), room), takeover);
  }

  open(listener: ForwardingListener): ForwardingTable {
    try {
      const socket = this.#begin();
      // Who still bids farewell would take from us what we are about to keep.
      for (const farewell of findKeepers()) endKeeper(farewell);
      return this.#table(socket, listener);
    } catch (cause) {
      if (!isInUse(cause)) throw openError(cause);
    }
    const keepers = findKeepers();
    const living = keepers.find(({ router }) => router !== undefined);
    const [dead] = keepers;
    if (living !== undefined || dead === undefined) throw inUse(living);
    try {
      return this.#succeed(dead, keepers, listener);
    } catch (cause) {
      throw cause instanceof HalError ? cause : openError(cause);
    }
  }

  /** A fresh socket that holds multicast routing. */
  #begin(): MrouteSocket {
    const socket = this.#sockets.make();
    try {
      socket.setOption(MRT_INIT, int32(1));
      socket.setOption(MRT_ASSERT, int32(1));
      // Heard before it was bound; there are no virtual interfaces yet, so no upcall is among it.
      this.counts.count("mroute.before-ready", socket.drain().length);
      return socket;
    } catch (cause) {
      socket.close();
      throw cause;
    }
  }

  #table(socket: MrouteSocket, listener: ForwardingListener): LinuxForwardingTable {
    const { span, farewell, warn } = this.#takeover;
    const keeper =
      span > 0 && socket.descriptor !== undefined
        ? new Keeper(socket.descriptor, { span, farewell }, (why) =>
            warn(`streams would stop if this router were killed: ${why}`),
          )
        : undefined;
    return new LinuxForwardingTable(socket, listener, this.counts, keeper);
  }

  /** The keepers are ended last: should we fail, or be killed, the next start finds them. */
  #succeed(dead: FoundKeeper, keepers: readonly FoundKeeper[], listener: ForwardingListener): ForwardingTable {
    const taken = this.#sockets.take(dead.pid);
    if (typeof taken === "string") {
      this.#takeover.warn(`routing begins anew, for what a killed router left cannot be taken over: ${taken}`);
      for (const keeper of keepers) endKeeper(keeper);
      return this.#table(
        once(() => this.#begin()),
        listener,
      );
    }
    const table = this.#table(taken, listener);
    try {
      table.adopt(
        parseVifs(readFileSync("/proc/net/ip_mr_vif", "latin1")),
        parseCache(readFileSync("/proc/net/ip_mr_cache", "latin1")),
        this.#takeover.interfaces,
      );
    } catch (cause) {
      table.abandon();
      throw cause;
    }
    for (const keeper of keepers) endKeeper(keeper);
    return table;
  }
}

/** What `open` opens, as soon as the kernel has given back what a process that was ended held; that is a matter of milliseconds. */
function once(open: () => MrouteSocket): MrouteSocket {
  const end = performance.now() + RELEASE;
  for (;;) {
    try {
      return open();
    } catch (cause) {
      if (!isInUse(cause) || performance.now() > end) throw cause;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN);
    }
  }
}

const isInUse = (cause: unknown): boolean => /in use/i.test(textOf(cause));

/** Names who holds routing, as far as that can be seen. */
function inUse(living: FoundKeeper | undefined): HalError {
  if (living !== undefined)
    return new HalError("mroute.in-use", `another sealcast router holds multicast routing: process ${living.router}`, {
      needs: "that only one router runs in this network namespace",
      alternative: "stop the other one, or do not start this one",
    });
  const programs = findIgmpPrograms().map(({ pid, name }) => `${name} (process ${pid})`);
  return new HalError("mroute.in-use", `another program holds multicast routing: ${programs.join(", ") || "unseen"}`, {
    needs: "that no other router, igmpproxy, omcproxy, mrouted, pimd or smcroute runs in this network namespace",
    alternative: "stop and disable that program",
  });
}

function openError(cause: unknown): HalError {
  const text = textOf(cause);
  if (isPermission(cause))
    return new HalError("mroute.permission", `multicast routing is not permitted: ${text}`, {
      cause,
      needs: "root, or CAP_NET_RAW and CAP_NET_ADMIN",
      alternative: 'start it from the init script, or run without forwarding (`forwarding: "none"`)',
    });
  if (isInUse(cause)) return inUse(undefined);
  // ENOPROTOOPT: no such option.
  if (/protocol not available/i.test(text))
    return new HalError("mroute.unsupported", `this kernel has no multicast routing: ${text}`, {
      cause,
      needs: "a kernel with CONFIG_IP_MROUTE",
      alternative: 'relay each packet through this process (`forwarding: "relay"`), or bridge (`forwarding: "bridge"`)',
    });
  return new HalError("mroute.open-failed", `multicast routing cannot be opened: ${text}`, {
    cause,
    needs: "free file descriptors and memory, and links that are not flooded with IGMP",
    alternative: 'start it again, or run without forwarding (`forwarding: "none"`)',
  });
}

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

class LinuxForwardingTable implements ForwardingTable {
  readonly #socket: MrouteSocket;
  readonly #keeper: Keeper | undefined;
  readonly #listener: ForwardingListener;
  readonly #counts: Counters<MrouteCount>;
  /** Interface names by virtual interface number. */
  readonly #vifs: (string | undefined)[] = new Array(MAXVIFS).fill(undefined);
  /** Free virtual interface numbers, that which has been free for longest first. */
  readonly #free: number[] = Array.from({ length: MAXVIFS }, (_, vif) => vif);
  readonly #routes = new Map<string, MulticastRoute>();
  /** Interfaces that came with what was taken over, by index, until they are added or removed here. */
  readonly #kept = new Map<string, number>();
  #inherited: readonly MulticastRoute[] = [];
  #lost = 0;
  #asking: NodeJS.Timeout | undefined;
  #open = true;

  constructor(
    socket: MrouteSocket,
    listener: ForwardingListener,
    counts: Counters<MrouteCount>,
    keeper: Keeper | undefined,
  ) {
    this.#socket = socket;
    this.#listener = listener;
    this.#counts = counts;
    this.#keeper = keeper;
    socket.listen(
      (packet) => this.#received(packet),
      (cause) => this.#failed(cause),
    );
  }

  /**
   * Goes on with what is in the kernel as far as it concerns `names`; takes out the rest. What the kernel asked in the meantime is told
   * once the caller has returned to the event loop.
   */
  adopt(vifs: readonly KernelInterface[], routes: readonly KernelRoute[], names: readonly string[]): void {
    for (const { number, name } of vifs) {
      this.#vifs[number] = name;
      this.#free.splice(this.#free.indexOf(number), 1);
    }
    const asked = this.#socket.drain().map((packet) => this.#told(packet));
    setImmediate(() => {
      for (const tell of asked) if (this.#open) tell();
    });
    for (const route of routes) this.#adoptRoute(route);
    for (const { name, index } of vifs) {
      if (names.includes(name)) this.#kept.set(name, index);
      else this.removeInterface(name);
    }
    this.#inherited = [...this.#routes.values()];
  }

  #adoptRoute({ source, group, inbound, outbound }: KernelRoute): void {
    const from = this.#vifs[inbound];
    if (from === undefined) {
      // Its interface is gone. As long as it is there the kernel would not ask about the source.
      this.#option(MRT_DEL_MFC, mfcctl(source, group, 0, []));
      return;
    }
    const to = outbound.flatMap((number) => this.#vifs[number] ?? []);
    this.#routes.set(keyOf(source, group), { source, group, inbound: from, outbound: to });
  }

  addInterface(name: string): void {
    const kept = this.#kept.get(name);
    this.#kept.delete(name);
    // Another interface of that name has another index.
    if (kept !== undefined && kept === interfaceIndex(name)) return;
    if (this.#vifs.includes(name)) this.removeInterface(name);
    const index = interfaceIndex(name);
    const [vif] = this.#free;
    if (index === undefined) throw addError(name, "there is no such interface");
    this.#askAgain();
    if (vif === undefined) throw addError(name, `the kernel takes ${MAXVIFS} at most`);
    try {
      this.#option(MRT_ADD_VIF, vifctl(vif, index));
    } catch (cause) {
      throw addError(name, `the kernel refused it: ${textOf(cause)}`, cause);
    }
    this.#free.shift();
    this.#vifs[vif] = name;
  }

  removeInterface(name: string): void {
    const vif = this.#vifs.indexOf(name);
    if (vif < 0) return;
    this.#kept.delete(name);
    this.#forget(name);
    this.#vifs[vif] = undefined;
    try {
      this.#option(MRT_DEL_VIF, vifctl(vif, 0));
    } catch {
      // EADDRNOTAVAIL: the interface is gone and the kernel has removed it already.
    }
    this.#free.push(vif);
    this.#readQueued();
  }

  set(route: MulticastRoute): void {
    const inbound = this.#vifs.indexOf(route.inbound);
    if (inbound < 0) {
      this.#counts.count("mroute.set-failed");
      return;
    }
    try {
      this.#option(MRT_ADD_MFC, mfcctl(route.source, route.group, inbound, this.#numbers(route.outbound)));
      this.#routes.set(keyOf(route.source, route.group), route);
    } catch {
      this.#counts.count("mroute.set-failed");
    }
  }

  remove(source: Ipv4, group: Ipv4): void {
    if (!this.#routes.delete(keyOf(source, group))) return;
    try {
      this.#option(MRT_DEL_MFC, mfcctl(source, group, 0, []));
    } catch {
      this.#counts.count("mroute.remove-failed");
    }
  }

  inherited(): readonly MulticastRoute[] {
    return this.#inherited;
  }

  use(): readonly RouteUse[] {
    if (this.#routes.size === 0) return [];
    return parseCache(readFileSync("/proc/net/ip_mr_cache", "latin1")).filter(({ source, group }) =>
      this.#routes.has(keyOf(source, group)),
    );
  }

  dropped(): number | undefined {
    return this.#socket.dropped();
  }

  counts(): Readonly<Record<string, number>> {
    return this.#counts.snapshot();
  }

  handOver(farewell: () => string): boolean {
    if (!this.#open || this.#keeper?.leave(farewell) !== true) return false;
    this.#open = false;
    this.#socket.close();
    return true;
  }

  close(): void {
    this.#keeper?.end();
    if (!this.#open) return;
    this.#open = false;
    try {
      this.#option(MRT_DONE, int32(1));
    } finally {
      this.#socket.close();
    }
  }

  /** Gives up the socket, of which somebody else has a descriptor: routing goes on. */
  abandon(): void {
    this.#open = false;
    this.#keeper?.end();
    this.#socket.close();
  }

  /** A virtual interface's number is used again: no route may still name it. */
  #forget(name: string): void {
    for (const route of [...this.#routes.values()]) {
      if (route.inbound === name) this.remove(route.source, route.group);
      else if (route.outbound.includes(name))
        this.set({ ...route, outbound: route.outbound.filter((other) => other !== name) });
    }
  }

  #numbers(names: readonly string[]): readonly number[] {
    return names.map((name) => this.#vifs.indexOf(name)).filter((vif) => vif >= 0);
  }

  #option(option: number, value: Buffer): void {
    this.#socket.setOption(option, value);
  }

  /** Now, while the numbers mean what they meant when the upcalls were queued. */
  #readQueued(): void {
    for (const packet of this.#open ? this.#queued() : []) this.#received(packet);
  }

  /**
   * What the kernel waits for although nothing is queued was asked of an interface that is gone, or lost. It would not ask about these
   * sources again for 10 s, wherever they come in.
   */
  #askAgain(): void {
    this.#readQueued();
    if (!this.#open) return;
    for (const { source, group } of parseUnresolved(readFileSync("/proc/net/ip_mr_cache", "latin1")))
      this.#forgetQuestion(source, group);
  }

  /** Answers with a route to nowhere, and takes that out: what the kernel keeps until it is answered goes, of which it keeps ten. */
  #forgetQuestion(source: Ipv4, group: Ipv4): void {
    if (this.#routes.has(keyOf(source, group))) return;
    try {
      const nowhere = mfcctl(source, group, 0, []);
      this.#option(MRT_ADD_MFC, nowhere);
      this.#option(MRT_DEL_MFC, nowhere);
    } catch {
      this.#counts.count("mroute.set-failed");
    }
  }

  #noteLosses(): void {
    const lost = this.#socket.dropped() ?? 0;
    if (lost === this.#lost) return;
    this.#lost = lost;
    this.#asking ??= setTimeout(() => {
      this.#asking = undefined;
      this.#askAgain();
    }, LOSSES).unref();
  }

  #queued(): readonly Buffer[] {
    try {
      return this.#socket.drain();
    } catch (cause) {
      this.#failed(cause as Error);
      return [];
    }
  }

  #received(packet: Buffer): void {
    if (!this.#open) return;
    this.#told(packet)();
    this.#noteLosses();
  }

  /** What a packet tells the listener, with the numbers of virtual interfaces as they are now. */
  #told(packet: Buffer): () => void {
    if (packet.length < UPCALL_OCTETS) return () => this.#counts.count("mroute.short-upcall");
    return packet[UPCALL_ZERO] === 0 ? this.#upcall(packet, this.#listener) : () => this.#listener.igmp(packet);
  }

  #upcall(packet: Buffer, listener: ForwardingListener): () => void {
    const inbound = this.#vifs[(packet[UPCALL_VIF] ?? 0) | ((packet[UPCALL_VIF_HIGH] ?? 0) << 8)];
    const [source, group] = [readIpv4(packet, UPCALL_SOURCE), readIpv4(packet, UPCALL_GROUP)];
    const isQuestion = packet[UPCALL_TYPE] === NOCACHE;
    if (inbound === undefined) return isQuestion ? () => this.#forgetQuestion(source, group) : () => {};
    // The packet's own header, but for the octets of the upcall. RFC 2113: for the routers, so it is no stream.
    if (hasRouterAlert(packet)) return () => this.#decline(source, group);
    if (isQuestion) return () => listener.noRoute(source, group, inbound);
    if (packet[UPCALL_TYPE] === WRONGVIF) return () => listener.wrongInterface(source, group, inbound);
    return () => this.#counts.count("mroute.unknown-upcall");
  }

  #decline(source: Ipv4, group: Ipv4): void {
    this.#counts.count("mroute.no-stream");
    this.#forgetQuestion(source, group);
  }

  #failed(cause: Error): void {
    if (!this.#open) return;
    this.#open = false;
    this.#keeper?.end();
    this.#socket.close();
    this.#listener.failed(new HalError("mroute.failed", `multicast routing failed: ${cause.message}`, { cause }));
  }
}

const keyOf = (source: Ipv4, group: Ipv4): string => `${source},${group}`;

const addError = (name: string, why: string, cause?: unknown): HalError =>
  new HalError("mroute.add-vif", `cannot route multicast on ${name}: ${why}`, { cause });

/** struct vifctl, by interface index. */
function vifctl(vif: number, index: number): Buffer {
  const octets = Buffer.alloc(VIFCTL_OCTETS);
  writeNative16(octets, 0, vif);
  octets[2] = VIFF_USE_IFINDEX;
  octets[3] = TTL_THRESHOLD;
  writeNative32(octets, 8, index);
  return octets;
}

/** struct mfcctl. */
function mfcctl(source: Ipv4, group: Ipv4, inbound: number, outbound: readonly number[]): Buffer {
  const octets = Buffer.alloc(MFCCTL_OCTETS);
  writeIpv4(octets, 0, source);
  writeIpv4(octets, MFCC_GROUP, group);
  writeNative16(octets, MFCC_PARENT, inbound);
  for (const vif of outbound) octets[MFCC_TTLS + vif] = TTL_THRESHOLD;
  return octets;
}
