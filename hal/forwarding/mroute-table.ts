// What is in the kernel's multicast routing, and what it asks: interfaces by number, routes, upcalls, counters.
//
// Theory of operation. Routes are told by names and go to the kernel by the numbers of virtual interfaces (virtual-interfaces.ts). A
// number is used again when its interface is gone, so nothing may outlive its meaning: routes that name it go first, and upcalls are
// read and told with the numbers as they were when the kernel queued them - all that waits is read before a number changes.
//
// The kernel asks once about a stream without a route, and not again for 10 s, and holds its packets until it is answered. A question
// that nobody will answer (of an interface that is gone, of what is no stream, or one that was lost in the queue) is therefore
// answered here with a route to nowhere that goes at once: then the next packet asks anew.

import { readFileSync } from "node:fs";
import type { Counters } from "../../core/base/counters.ts";
import type { Ipv4 } from "../../core/base/ipv4.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { ForwardingListener, ForwardingTable, MulticastRoute, RouteUse } from "../../core/ports/forwarding.ts";
import { interfaceIndex } from "../socket-options.ts";
import type { Keeper } from "./keeper.ts";
import { type KernelInterface, type KernelRoute, parseCache, parseUnresolved } from "./kernel-tables.ts";
import { addError, textOf } from "./mroute-errors.ts";
import { MAXVIFS, MRT, mfcctl, ON, readUpcall, type Upcall, vifctl } from "./mroute-octets.ts";
import type { MrouteSocket } from "./mroute-socket.ts";
import { VirtualInterfaces } from "./virtual-interfaces.ts";

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

/** On a socket that holds routing; open until it is closed, handed over or abandoned, or fails. */
export class MrouteTable implements ForwardingTable {
  readonly #socket: MrouteSocket;
  readonly #keeper: Keeper | undefined;
  readonly #listener: ForwardingListener;
  readonly #counts: Counters<MrouteCount>;
  readonly #vifs = new VirtualInterfaces();
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
    for (const { number, name, index } of vifs) this.#takeVif(number, name, index);
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
    const from = this.#vifs.nameOf(inbound);
    if (from === undefined) {
      // Its interface is gone. As long as it is there the kernel would not ask about the source.
      this.#socket.setOption(MRT.deleteRoute, mfcctl(source, group, 0, []));
      return;
    }
    const to = outbound.flatMap((number) => this.#vifs.nameOf(number) ?? []);
    this.#routes.set(keyOf(source, group), { source, group, inbound: from, outbound: to });
  }

  addInterface(name: string): void {
    const kept = this.#kept.get(name);
    this.#kept.delete(name);
    // Another interface of that name has another index.
    if (kept !== undefined && kept === interfaceIndex(name)) return;
    if (this.#vifs.numberOf(name) !== undefined) this.removeInterface(name);
    const index = interfaceIndex(name);
    const vif = this.#vifs.next;
    if (index === undefined) throw addError(name, "there is no such interface");
    this.#askAgain();
    if (vif === undefined) throw addError(name, `the kernel takes ${MAXVIFS} at most`);
    try {
      this.#socket.setOption(MRT.addVif, vifctl(vif, index));
    } catch (cause) {
      throw addError(name, `the kernel refused it: ${textOf(cause)}`, cause);
    }
    this.#takeVif(vif, name, index);
  }

  #takeVif(number: number, name: string, index: number): void {
    this.#vifs.take(number, name);
    this.#socket.ready?.at(number, index);
  }

  removeInterface(name: string): void {
    const vif = this.#vifs.numberOf(name);
    if (vif === undefined) return;
    this.#kept.delete(name);
    this.#forget(name);
    this.#vifs.release(name);
    this.#socket.ready?.at(vif, 0);
    try {
      this.#socket.setOption(MRT.deleteVif, vifctl(vif, 0));
    } catch {
      // EADDRNOTAVAIL: the interface is gone and the kernel has removed it already.
    }
    this.#readQueued();
  }

  /** A virtual interface's number is used again: no route may still name it. */
  #forget(name: string): void {
    for (const route of [...this.#routes.values()]) {
      if (route.inbound === name) this.remove(route.source, route.group);
      else if (route.outbound.includes(name))
        this.set({ ...route, outbound: route.outbound.filter((other) => other !== name) });
    }
  }

  set(route: MulticastRoute): void {
    const inbound = this.#vifs.numberOf(route.inbound);
    if (inbound === undefined) {
      this.#counts.count("mroute.set-failed");
      return;
    }
    const entry = mfcctl(route.source, route.group, inbound, this.#vifs.numbersOf(route.outbound));
    this.#socket.ready?.set(entry, []);
    try {
      this.#socket.setOption(MRT.addRoute, entry);
      this.#routes.set(keyOf(route.source, route.group), route);
    } catch {
      this.#counts.count("mroute.set-failed");
    }
  }

  prepare({ source, group, inbound, outbound }: MulticastRoute, interfaces: readonly string[]): void {
    const vif = this.#vifs.numberOf(inbound);
    if (vif === undefined || !this.#routes.has(keyOf(source, group))) return;
    const entry = mfcctl(source, group, vif, this.#vifs.numbersOf(outbound));
    this.#socket.ready?.set(entry, this.#vifs.numbersOf(interfaces));
  }

  remove(source: Ipv4, group: Ipv4): void {
    if (!this.#routes.delete(keyOf(source, group))) return;
    const entry = mfcctl(source, group, 0, []);
    this.#socket.ready?.set(entry, []);
    try {
      this.#socket.setOption(MRT.deleteRoute, entry);
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
      this.#socket.setOption(MRT.done, ON);
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

  #failed(cause: Error): void {
    if (!this.#open) return;
    this.abandon();
    this.#listener.failed(new HalError("mroute.failed", `multicast routing failed: ${cause.message}`, { cause }));
  }

  #received(packet: Buffer): void {
    if (!this.#open) return;
    this.#told(packet)();
    this.#noteLosses();
  }

  /** What a packet tells the listener, with the numbers of virtual interfaces as they are now. */
  #told(packet: Buffer): () => void {
    const upcall = readUpcall(packet);
    if (upcall === "short") return () => this.#counts.count("mroute.short-upcall");
    if (upcall === "igmp") return () => this.#listener.igmp(packet);
    const inbound = this.#vifs.nameOf(upcall.vif);
    return inbound === undefined ? () => this.#unheeded(upcall) : () => this.#upcall(upcall, inbound);
  }

  /** Of an interface that is gone. */
  #unheeded({ kind, source, group }: Upcall): void {
    if (kind === "no-route") this.#forgetQuestion(source, group);
  }

  #upcall({ kind, source, group, forRouters }: Upcall, inbound: string): void {
    if (forRouters) {
      this.#counts.count("mroute.no-stream");
      this.#forgetQuestion(source, group);
      return;
    }
    switch (kind) {
      case "no-route":
        this.#listener.noRoute(source, group, inbound);
        break;
      case "wrong-interface":
        this.#listener.wrongInterface(source, group, inbound);
        break;
      case "other":
        this.#counts.count("mroute.unknown-upcall");
        break;
      default:
        kind satisfies never;
    }
  }

  /** Now, while the numbers mean what they meant when the upcalls were queued. */
  #readQueued(): void {
    for (const packet of this.#open ? this.#queued() : []) this.#received(packet);
  }

  #queued(): readonly Buffer[] {
    try {
      return this.#socket.drain();
    } catch (cause) {
      this.#failed(cause as Error);
      return [];
    }
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
      this.#socket.setOption(MRT.addRoute, nowhere);
      this.#socket.setOption(MRT.deleteRoute, nowhere);
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
}

const keyOf = (source: Ipv4, group: Ipv4): string => `${source},${group}`;
