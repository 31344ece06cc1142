// Frame taps in this process, by sockets at the link layer of our own addon: no child, and frames that nobody reads are counted.
import type { Alarm } from "../../core/base/alarm.ts";
import { Backoff } from "../../core/base/backoff.ts";
import { after, seconds } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import type { HalError } from "../../core/ports/errors.ts";
import type { FrameTap, FrameTaps, TapListener } from "../../core/ports/frame-tap.ts";
import { IGMP_FRAMES } from "../native/filter.ts";
import { isVouched, openPacketSocket } from "../native/packet-socket.ts";
import { type NativeSocket, ReceiveRoom } from "../native/socket.ts";
import { PACKET_ROW, type SocketsModule } from "../native/sockets.ts";
import { loadSockets } from "../native.ts";
import { interfaceIndex, isPermission } from "../socket-options.ts";
import { AGAIN, isUp, noTap, notPermitted, openFailed } from "./again.ts";

/** A jumbo frame with its header and tags. */
const LARGEST_FRAME = 9216 + 32;
/** Room for some 5,000 reports. */
const QUEUE = 2 << 20;
/** How often we look whose the name is: a silent interface gives no other cause to. */
const LOOK = seconds(1);
const MACS = 12;
const TAG = 4;

/** What a tap needs to be opened again. */
export interface PacketTapOptions {
  readonly clock: Clock;
  readonly entropy: Entropy;
}

/** One socket a tap, opened again when its interface comes back. */
export class PacketTaps implements FrameTaps {
  readonly #native: SocketsModule;
  readonly #options: PacketTapOptions;
  readonly #room = new ReceiveRoom(LARGEST_FRAME);

  /** With the addon given; `load` finds it. */
  constructor(native: SocketsModule, options: PacketTapOptions) {
    this.#native = native;
    this.#options = options;
  }

  /** Rejects with HalError "tap.native-missing". */
  static async load(options: PacketTapOptions): Promise<PacketTaps> {
    return new PacketTaps(await loadSockets("tap"), options);
  }

  open(interfaceName: string, listener: TapListener): FrameTap {
    const make = (index: number): NativeSocket =>
      openPacketSocket(this.#native, this.#room, { index, hears: "frames", filter: IGMP_FRAMES, queue: QUEUE });
    return new PacketTap({ interfaceName, listener, make, ...this.#options });
  }
}

interface Parts extends PacketTapOptions {
  readonly interfaceName: string;
  readonly listener: TapListener;
  /** Throws SystemError. */
  make(index: number): NativeSocket;
}

class PacketTap implements FrameTap {
  readonly interfaceName: string;
  readonly #parts: Parts;
  readonly #backoff = new Backoff(AGAIN);
  #socket: NativeSocket | undefined;
  /** The next look or the next attempt. */
  #alarm: Alarm | undefined;
  #open = true;
  /** Of sockets that are closed. */
  #droppedBefore = 0;

  constructor(parts: Parts) {
    this.interfaceName = parts.interfaceName;
    this.#parts = parts;
    // Not within `open`: the owner does not have the tap yet.
    this.#alarm = parts.clock.alarm(parts.clock.now(), () => this.#start());
  }

  dropped(): number {
    return this.#droppedBefore + (this.#socket?.dropped() ?? 0);
  }

  close(): void {
    this.#open = false;
    this.#alarm?.cancel();
    this.#shut();
  }

  #start(): void {
    const { interfaceName, make, listener, clock } = this.#parts;
    const index = interfaceIndex(interfaceName);
    if (index === undefined || !isUp(interfaceName)) {
      this.#interrupted(noTap(interfaceName));
      return;
    }
    try {
      const socket = make(index);
      this.#socket = socket;
      socket.listen(
        (room, slot) => this.#heard(room, slot, index),
        () => this.#interrupted(noTap(interfaceName)),
      );
    } catch (cause) {
      this.#interrupted((isPermission(cause) ? notPermitted : openFailed)(interfaceName, cause));
      return;
    }
    this.#backoff.works(clock.now());
    this.#lookAgain(index);
    listener.resumed();
  }

  /** The socket stays with the interface when that is renamed, and the owner has only the name: looked up for each batch. */
  #heard(room: ReceiveRoom, slot: number, index: number): void {
    if (slot === 0 && interfaceIndex(this.interfaceName) !== index) this.#interrupted(noTap(this.interfaceName));
    else this.#parts.listener.frame(frameOf(room, slot), isVouched(room, slot));
  }

  #lookAgain(index: number): void {
    const { clock, interfaceName } = this.#parts;
    this.#alarm = clock.alarm(after(clock.now(), LOOK), () => {
      if (interfaceIndex(interfaceName) !== index) this.#interrupted(noTap(interfaceName));
      else this.#lookAgain(index);
    });
  }

  #interrupted(error: HalError): void {
    if (!this.#open) return;
    const { clock, entropy, listener } = this.#parts;
    this.#shut();
    this.#alarm?.cancel();
    const now = clock.now();
    this.#alarm = clock.alarm(after(now, this.#backoff.failed(now, entropy)), () => this.#start());
    listener.interrupted(error);
  }

  #shut(): void {
    this.#droppedBefore = this.dropped();
    this.#socket?.close();
    this.#socket = undefined;
  }
}

/** As it was on the wire: the kernel, or the card, took the outer tag out. */
function frameOf(room: ReceiveRoom, slot: number): Uint8Array {
  const octets = room.octets(slot);
  const tag = room.number(slot, PACKET_ROW.vlan);
  if (tag < 0) return octets;
  const frame = Buffer.allocUnsafe(octets.length + TAG);
  octets.copy(frame, 0, 0, MACS);
  frame.writeUInt16BE(room.number(slot, PACKET_ROW.vlanProtocol), MACS);
  frame.writeUInt16BE(tag, MACS + 2);
  octets.copy(frame, MACS + TAG, MACS);
  return frame;
}
