// One channel's socket: bound to the group, joined to it, its datagrams fed to the playout in the receive buffer.

import type { Alarm } from "../../core/base/alarm.ts";
import { doubled } from "../../core/base/backoff.ts";
import { Counters } from "../../core/base/counters.ts";
import type { Ipv4 } from "../../core/base/ipv4.ts";
import { after, seconds } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { DatagramSocket, Datagrams, InterfaceChoice, Membership } from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Channel } from "../../core/settop/events.ts";
import type { Playout } from "../../core/settop/playout.ts";

/** `interfaceAddress`: where to join; 0.0.0.0 leaves it to the kernel. `receiveBuffer`: octets the kernel may hold. */
export interface TunerOptions {
  readonly datagrams: Datagrams;
  readonly clock: Clock;
  readonly interfaceAddress: InterfaceChoice;
  readonly receiveBuffer: number;
}

/** What became of `join`. */
export interface TunerListener {
  joined(): void;
  /** Not joined, or the socket died: everything is closed, `join` may be called again. */
  failed(error: HalError): void;
}

/** What came and was not looked at. */
export type TunerDrop =
  /** To our group and port, but from another sender than the channel's. */
  | "settop.source"
  /** Not read in time: the machine is too slow for the stream, or was away for longer than `receiveBuffer` lasts. */
  | "datagram.overflow";

/**
 * A membership can be lost without a word (the interface was made anew after a redial), so a group that is silent for this long is
 * joined again, and then after twice the time, up to the limit.
 */
const SILENCE = seconds(15);
const LONGEST_SILENCE = seconds(120);

/** `join` and `leave` may alternate as often as they like, also while a socket is being opened. */
export class Tuner {
  readonly #drops = new Counters<TunerDrop>();
  readonly #options: TunerOptions;
  readonly #channel: Channel;
  readonly #playout: Playout;
  readonly #listener: TunerListener;
  #socket: DatagramSocket | undefined;
  /** Counts joins and leaves, so that a socket which opens too late is closed again. */
  #turn = 0;
  /** Of the socket's overflows, those that are in `#drops`. */
  #overflows = 0;
  #alarm: Alarm | undefined;
  #datagrams = 0;
  /** Silences in a row. */
  #silences = 0;
  #silence: Alarm | undefined;

  constructor(options: TunerOptions, channel: Channel, playout: Playout, listener: TunerListener) {
    this.#options = options;
    this.#channel = channel;
    this.#playout = playout;
    this.#listener = listener;
  }

  /** 71. */
  join(): void {
    this.leave();
    const turn = this.#turn;
    this.#open(turn).catch((error: unknown) => {
      if (!(error instanceof HalError)) throw error;
      if (turn === this.#turn) this.#fail(error);
    });
  }

  /** 81: the kernel's IGMP host says it to the router. */
  leave(): void {
    this.#turn++;
    this.#silence?.cancel();
    const socket = this.#take();
    if (socket === undefined) return;
    try {
      socket.leave(this.#membership());
    } catch (error) {
      // The interface may be gone; closing the socket ends the membership as well.
      if (!(error instanceof HalError)) throw error;
    }
    socket.close();
  }

  /** Since the tuner was made, by `TunerDrop`. */
  drops(): Record<string, number> {
    this.#countOverflows();
    return this.#drops.snapshot();
  }

  close(): void {
    this.leave();
    this.#alarm?.cancel();
    this.#alarm = undefined;
  }

  async #open(turn: number): Promise<void> {
    const { datagrams, receiveBuffer } = this.#options;
    const { group, port } = this.#channel;
    const socket = await datagrams.open(
      { address: group, port, reuse: true, receiveBuffer },
      {
        datagram: (payload, from) => this.#datagram(payload, from),
        failed: (error) => {
          if (turn === this.#turn) this.#fail(error);
        },
      },
    );
    if (turn !== this.#turn) {
      socket.close();
      return;
    }
    this.#socket = socket;
    socket.join(this.#membership());
    this.#listener.joined();
    this.#listen(this.#datagrams);
  }

  /** Joins again when nothing has come since `before` datagrams were counted. */
  #listen(before: number): void {
    const { clock } = this.#options;
    this.#silence = clock.alarm(after(clock.now(), doubled(SILENCE, this.#silences, LONGEST_SILENCE)), () => {
      const heard = this.#datagrams > before;
      this.#silences = heard ? 0 : this.#silences + 1;
      if (heard) this.#listen(this.#datagrams);
      else this.join();
    });
  }

  #membership(): Membership {
    const { group, source } = this.#channel;
    const { interfaceAddress } = this.#options;
    return source === undefined ? { group, interfaceAddress } : { group, source, interfaceAddress };
  }

  #fail(error: HalError): void {
    this.#turn++;
    this.#silence?.cancel();
    this.#take()?.close();
    this.#listener.failed(error);
  }

  /** The socket, which is no longer ours. */
  #take(): DatagramSocket | undefined {
    this.#countOverflows();
    const socket = this.#socket;
    this.#socket = undefined;
    this.#overflows = 0;
    return socket;
  }

  #countOverflows(): void {
    const overflows = this.#socket?.overflows() ?? 0;
    if (overflows > this.#overflows) this.#drops.count("datagram.overflow", overflows - this.#overflows);
    this.#overflows = overflows;
  }

  #datagram(payload: Uint8Array, from: Ipv4): void {
    const { source } = this.#channel;
    this.#datagrams++;
    if (source !== undefined && from !== source) {
      this.#drops.count("settop.source");
      return;
    }
    this.#playout.datagram(this.#options.clock.now(), payload);
    if (this.#alarm === undefined) this.#arm();
  }

  /** One alarm while packets wait for an overtaken one. */
  #arm(): void {
    const at = this.#playout.nextDeadline();
    if (at === undefined) return;
    this.#alarm = this.#options.clock.alarm(at, () => {
      this.#alarm = undefined;
      this.#playout.poll(this.#options.clock.now());
      this.#arm();
    });
  }
}
