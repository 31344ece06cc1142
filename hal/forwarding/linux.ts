// The kernel's multicast routing (linux/mroute.h), and who holds it.
//
// Theory of operation. One process a network namespace may hold it: whoever sets MRT_INIT on a socket of its own, for as long as any
// descriptor of that socket is open. Beside us a keeper (keeper.ts) has one, so that routing outlives us by the span of a takeover. A
// start finds routing
// - free: it takes it, and ends the keepers that still bid farewell;
// - held by a keeper whose router is dead: it takes the keeper's socket with its interfaces and routes as they are, and ends the keeper
//   last, so that whoever comes after us if we fail finds it too. Where the socket cannot be had, the keeper is ended and all begins anew;
// - held by a living router, or by another program: "mroute.in-use" says by whom;
// - held by nobody who is seen: the span of a keeper has just ended, or whoever held it is ending. It is waited for.
//
// What is in the kernel then, and what it asks, is in mroute-table.ts.
import { readFileSync } from "node:fs";
import { Counters } from "../../core/base/counters.ts";
import { type Duration, seconds } from "../../core/base/time.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Forwarding, ForwardingListener, ForwardingTable } from "../../core/ports/forwarding.ts";
import { ReceiveRoom } from "../native/socket.ts";
import { loadRawSocket, loadSockets } from "../native.ts";
import { endKeeper, type FoundKeeper, findIgmpPrograms, findKeepers, Keeper } from "./keeper.ts";
import { parseCache, parseVifs } from "./kernel-tables.ts";
import { inUse, isInUse, openError } from "./mroute-errors.ts";
import { LONGEST_UPCALL, MRT, ON } from "./mroute-octets.ts";
import { type MrouteSocket, type MrouteSockets, nativeMrouteSockets, rawMrouteSockets } from "./mroute-socket.ts";
import { type MrouteCount, MrouteTable } from "./mroute-table.ts";

/** How long the kernel may take to give back what an ended keeper held. */
const RELEASE = seconds(2);
const LOOK_AGAIN = 5;

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
    if (living !== undefined) throw inUse(living);
    try {
      return dead === undefined ? this.#await(listener) : this.#succeed(dead, keepers, listener);
    } catch (cause) {
      throw cause instanceof HalError ? cause : openError(cause);
    }
  }

  /** A fresh socket that holds multicast routing. */
  #begin(): MrouteSocket {
    const socket = this.#sockets.make();
    try {
      socket.setOption(MRT.init, ON);
      socket.setOption(MRT.assert, ON);
      // Heard before it was bound; there are no virtual interfaces yet, so no upcall is among it.
      this.counts.count("mroute.before-ready", socket.drain().length);
      return socket;
    } catch (cause) {
      socket.close();
      throw cause;
    }
  }

  #table(socket: MrouteSocket, listener: ForwardingListener): MrouteTable {
    const { span, farewell, warn } = this.#takeover;
    const keeper =
      span > 0 && socket.descriptor !== undefined
        ? new Keeper(socket.descriptor, { span, farewell }, (why) =>
            warn(`streams would stop if this router were killed: ${why}`),
          )
        : undefined;
    return new MrouteTable(socket, listener, this.counts, keeper);
  }

  /** Where no program is there that could hold it, the kernel has yet to give it back. */
  #await(listener: ForwardingListener): ForwardingTable {
    if (findIgmpPrograms().length > 0) throw inUse(undefined);
    return this.#table(
      once(() => this.#begin()),
      listener,
    );
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
