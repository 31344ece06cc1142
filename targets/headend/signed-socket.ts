// A channel's outgoing socket when its packets are signed: they wait in line for their manifest.
import type { Alarm } from "../../core/base/alarm.ts";
import type { Ipv4 } from "../../core/base/ipv4.ts";
import type { Instant } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { DatagramSocket } from "../../core/ports/datagrams.ts";
import type { HalError } from "../../core/ports/errors.ts";
import { SigningLine, type SigningOptions } from "../../core/stream/signing-line.ts";

/** Where manifests go to: where the packets do. */
export interface SignedSocketOptions extends Omit<SigningOptions<HalError>, "send"> {
  readonly group: Ipv4;
  readonly port: number;
  readonly clock: Clock;
}

/** Sends by another socket, which stays its owner's to close. */
export class SignedSocket implements Pick<DatagramSocket, "send"> {
  readonly #clock: Clock;
  readonly #line: SigningLine<HalError>;
  #socket: DatagramSocket;
  #alarm: { readonly at: Instant; readonly handle: Alarm } | undefined;

  constructor(options: SignedSocketOptions, socket: DatagramSocket) {
    const { group, port, clock } = options;
    this.#clock = clock;
    this.#socket = socket;
    this.#line = new SigningLine({
      ...options,
      send: (datagram, sent) => this.#socket.send(datagram, group, port, sent),
    });
  }

  /** Signed since the start. */
  get manifests(): number {
    return this.#line.manifests;
  }

  install(epoch: number, masterKey: Uint8Array, masterSalt: Uint8Array): void {
    this.#line.install(epoch, masterKey, masterSalt);
  }

  switchTo(epoch: number): void {
    this.#line.switchTo(this.#clock.now(), epoch);
    this.#arm();
  }

  useSocket(socket: DatagramSocket): void {
    this.#socket = socket;
  }

  send(payload: Uint8Array, _to: Ipv4, _toPort: number, sent: (error?: HalError) => void = () => {}): void {
    this.#line.push(this.#clock.now(), payload, sent);
    this.#arm();
  }

  stop(): void {
    this.#line.stop();
    this.#alarm?.handle.cancel();
    this.#alarm = undefined;
  }

  #arm(): void {
    const at = this.#line.nextDeadline();
    if (at === undefined || (this.#alarm !== undefined && this.#alarm.at <= at)) return;
    this.#alarm?.handle.cancel();
    this.#alarm = { at, handle: this.#clock.alarm(at, () => this.#rang()) };
  }

  #rang(): void {
    this.#alarm = undefined;
    this.#line.poll(this.#clock.now());
    this.#arm();
  }
}
