// For the tests of this folder: ciphers straight from node:crypto, keys, packets, and a sender and a receiver that fit.
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import type { Ciphers } from "../ports/cipher.ts";
import { StreamReceiver } from "./receiver.ts";
import { writeRtpHeader } from "./rtp.ts";
import { StreamSender } from "./sender.ts";
import { lengthsOf, type MkiLength, type Suite } from "./suites.ts";

/** Of core/stream/vectors: octets in hexadecimal digits; `mki` null where the packet has none. */
export interface PacketVector {
  readonly name: string;
  readonly source: string;
  readonly suite: Suite;
  readonly mki: number | null;
  readonly key: string;
  readonly salt: string;
  readonly clear: string;
  readonly protected: string;
}

/** While packets are made that nobody will see: they need no cipher. */
let isSkipping = false;

export const testCiphers: Ciphers = {
  gcm: (given) => {
    const key = Uint8Array.from(given);
    const name = key.length === 16 ? "aes-128-gcm" : "aes-256-gcm";
    return {
      seal: (iv, packet, aadEnd, textEnd) => {
        if (isSkipping) return;
        const cipher = createCipheriv(name, key, iv).setAAD(packet.subarray(0, aadEnd));
        packet.set(cipher.update(packet.subarray(aadEnd, textEnd)), aadEnd);
        cipher.final();
        packet.set(cipher.getAuthTag(), textEnd);
      },
      open: (iv, packet, aadEnd, textEnd) => {
        const cipher = createDecipheriv(name, key, iv).setAAD(packet.subarray(0, aadEnd));
        cipher.setAuthTag(packet.subarray(textEnd, textEnd + 16));
        const text = cipher.update(packet.subarray(aadEnd, textEnd));
        try {
          cipher.final();
        } catch {
          return false;
        }
        packet.set(text, aadEnd);
        return true;
      },
      erase: () => key.fill(0),
    };
  },
  ctr: (given) => {
    const key = Uint8Array.from(given);
    return {
      apply: (iv, packet, start, end) => {
        if (isSkipping) return;
        const cipher = createCipheriv(key.length === 16 ? "aes-128-ctr" : "aes-256-ctr", key, iv);
        packet.set(cipher.update(packet.subarray(start, end)), start);
      },
      erase: () => key.fill(0),
    };
  },
  hmacSha1: (given) => {
    const key = Uint8Array.from(given);
    return {
      sign: (data, end, suffix, into, at, length) => {
        if (isSkipping) return;
        const mac = createHmac("sha1", key).update(data.subarray(0, end)).update(suffix).digest();
        into.set(mac.subarray(0, length), at);
      },
      erase: () => key.fill(0),
    };
  },
};

export const SSRC = 0x5ea1ca57;

export function masterOf(suite: Suite, epoch: number): { key: Uint8Array; salt: Uint8Array } {
  const lengths = lengthsOf(suite);
  return {
    key: Uint8Array.from({ length: lengths.key }, (_, i) => epoch * 31 + i),
    salt: Uint8Array.from({ length: lengths.salt }, (_, i) => epoch * 17 + 3 * i),
  };
}

export interface Pair {
  readonly sender: StreamSender;
  readonly receiver: StreamReceiver;
}

/** A sender that uses epoch 1 and a receiver that holds it, both at `firstIndex`. */
export function pair(
  firstIndex = 0,
  suite: Suite = "AEAD_AES_128_GCM",
  mkiLength: MkiLength = 4,
  ciphers: Ciphers = testCiphers,
): Pair {
  const sender = new StreamSender({ ciphers: testCiphers, suite, mkiLength, ssrc: SSRC, firstIndex });
  const receiver = new StreamReceiver({ ciphers, suite, mkiLength, ssrc: SSRC });
  const { key, salt } = masterOf(suite, 1);
  sender.install(1, key, salt);
  sender.switchTo(1);
  receiver.install(1, key, salt);
  receiver.position(Math.floor(firstIndex / 0x10000), firstIndex % 0x10000);
  return { sender, receiver };
}

/** Gives both ends the key of `epoch` and lets the sender use it; the receiver keeps the one before. */
export function rekey({ sender, receiver }: Pair, epoch: number, suite: Suite = "AEAD_AES_128_GCM"): void {
  const { key, salt } = masterOf(suite, epoch);
  receiver.retire(epoch - 2);
  receiver.install(epoch, key, salt);
  sender.install(epoch, key, salt);
  sender.switchTo(epoch);
}

/** The next packet of the sender: 40 octets of payload that start with `n`. */
export function packetOf(sender: StreamSender, n = 0): Uint8Array {
  const buffer = new Uint8Array(12 + 40 + sender.trailerLength).fill(n & 255, 12);
  writeRtpHeader(buffer, 33, n);
  return buffer.subarray(0, sender.protect(buffer, 52));
}

/** What a rogue who holds the key of `epoch` can make: a packet that authenticates at any index. */
export function rogueAt(index: number, epoch = 1): Uint8Array {
  const { key, salt } = masterOf("AEAD_AES_128_GCM", epoch);
  const options = { ciphers: testCiphers, suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: SSRC } as const;
  const rogue = new StreamSender({ ...options, firstIndex: index });
  rogue.install(epoch, key, salt);
  rogue.switchTo(epoch);
  return packetOf(rogue, 0xbad);
}

/** Takes `count` packets through the sender and drops them: an outage as the receiver sees it. */
export function skip(sender: StreamSender, count: number): void {
  const buffer = new Uint8Array(64);
  isSkipping = true;
  for (let i = 0; i < count; i++) {
    writeRtpHeader(buffer, 33, 0);
    sender.protect(buffer, 12);
  }
  isSkipping = false;
}

/** RFC 3550 5.1: the seven bits beside the marker. */
export const payloadTypeOf = (packet: Uint8Array): number => (packet[1] ?? 0) & 0x7f;
