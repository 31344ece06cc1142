// For the tests of source authentication: a sender that signs, a gate, and a rogue member who holds every key but the sender's own.
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { type Instant, instant, milliseconds } from "../base/time.ts";
import { type Manifest, manifestKey, writeManifest } from "./manifest.ts";
import { SigningLine } from "./signing-line.ts";
import { type GateOptions, SourceGate } from "./source-gate.ts";

export const primitives = new NodePrimitives();
const entropy = new SeededEntropy(77);
const keyPair = () => {
  const privateKey = entropy.bytes(32);
  return { privateKey, publicKey: primitives.ed25519Public(privateKey) };
};
export const SIGNER = keyPair();
export const ROGUE = keyPair();
export const STREAM = { channel: "news", ssrc: 0x5ea1ca57 };
export const WINDOW = milliseconds(50);
export const at = (ms: number): Instant => instant(ms);

export const masterOf = (epoch: number) => ({
  masterKey: new Uint8Array(16).fill(epoch),
  masterSalt: new Uint8Array(12).fill(epoch + 1),
});

/** What goes over the wire: a packet of the stream, or a manifest, and when. */
export interface OnWire {
  readonly at: Instant;
  readonly datagram: Uint8Array;
}

/** A sender whose datagrams are kept, with the time that each left. */
export class Signing {
  readonly wire: OnWire[] = [];
  readonly sent: number[] = [];
  readonly line: SigningLine<never>;
  now = at(0);

  constructor(signingKey = SIGNER.privateKey) {
    const send = (datagram: Uint8Array, sent?: () => void): void => {
      this.wire.push({ at: this.now, datagram: datagram.slice() });
      sent?.();
    };
    this.line = new SigningLine({ primitives, stream: STREAM, signingKey, window: WINDOW, send });
    this.use(1);
  }

  use(epoch: number): void {
    const { masterKey, masterSalt } = masterOf(epoch);
    this.line.install(epoch, masterKey, masterSalt);
    this.line.switchTo(this.now, epoch);
  }

  /** Does what is due until `now`, each thing at its own time. */
  until(now: Instant): void {
    for (let due = this.line.nextDeadline(); due !== undefined && due <= now; due = this.line.nextDeadline()) {
      this.now = due;
      this.line.poll(due);
    }
    this.now = now;
  }

  /** Packets from this number on, `gap` ms apart; `finish` waits until all have left. */
  stream(from: number, count: number, gap: number): this {
    for (let i = 0; i < count; i++) {
      this.until(at(this.now + gap));
      this.line.push(this.now, packetOf(from + i), () => this.sent.push(from + i));
    }
    return this;
  }

  finish(): readonly OnWire[] {
    this.until(at(this.now + 2 * WINDOW));
    return this.wire;
  }
}

/** As on the wire: octets that no other packet has. */
export function packetOf(n: number): Uint8Array {
  const packet = new Uint8Array(200).fill(n & 255);
  packet[0] = 0x80;
  packet[1] = 33;
  new DataView(packet.buffer).setUint32(8, STREAM.ssrc);
  new DataView(packet.buffer).setUint32(12, n);
  return packet;
}

export const numberOf = (packet: Uint8Array): number => new DataView(packet.buffer, packet.byteOffset).getUint32(12);

/** A gate that knows the first epoch's key, and the numbers of what passes it. */
export function gate(more: Partial<GateOptions> = {}) {
  const passed: number[] = [];
  const options: GateOptions = {
    primitives,
    stream: STREAM,
    signer: SIGNER.publicKey,
    uncovered: "drop",
    patience: milliseconds(100),
    most: 64,
    pass: (_, packet) => passed.push(numberOf(packet)),
    ...more,
  };
  const made = new SourceGate(options);
  const { masterKey, masterSalt } = masterOf(1);
  made.install(1, masterKey, masterSalt);
  return { gate: made, passed };
}

/** A manifest as a rogue member makes it: sealed with the group's key, signed with its own. */
export function rogueManifest(manifest: Manifest, signingKey = ROGUE.privateKey): Uint8Array {
  const { masterKey, masterSalt } = masterOf(manifest.epoch);
  return writeManifest(primitives, manifestKey(primitives, masterKey, masterSalt), signingKey, STREAM, manifest);
}
