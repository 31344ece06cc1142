// Numbers and structures of Linux socket options that raw-socket passes through as octets (linux/in.h, asm-generic/socket.h).
import { readFileSync } from "node:fs";
import { endianness } from "node:os";
import { type Ipv4, writeIpv4 } from "../core/base/ipv4.ts";

// As Linux numbers them on every architecture that Node runs on but MIPS and SPARC (asm-generic/socket.h, linux/in.h).
export const SOL_SOCKET = 1;
export const SO_BINDTODEVICE = 25;
export const IPPROTO_IP = 0;
export const IP_HDRINCL = 3;
export const IP_ROUTER_ALERT = 5;
export const IP_MULTICAST_IF = 32;
export const IP_MULTICAST_LOOP = 34;
export const IP_ADD_MEMBERSHIP = 35;
export const IGMP = 2;

const LITTLE = endianness() === "LE";

/** A native int, as most options want it. */
export function int32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  writeNative32(octets, 0, value);
  return octets;
}

/** An unsigned 16-bit number in the machine's own byte order. */
export function writeNative16(into: Buffer, at: number, value: number): void {
  if (LITTLE) into.writeUInt16LE(value, at);
  else into.writeUInt16BE(value, at);
}

/** An unsigned 32-bit number in the machine's own byte order. */
export function writeNative32(into: Buffer, at: number, value: number): void {
  if (LITTLE) into.writeUInt32LE(value, at);
  else into.writeUInt32BE(value, at);
}

/** As `writeNative16` writes it. */
export const readNative16 = (from: Buffer, at: number): number =>
  LITTLE ? from.readUInt16LE(at) : from.readUInt16BE(at);

/** As `writeNative32` writes it. */
export const readNative32 = (from: Buffer, at: number): number =>
  LITTLE ? from.readUInt32LE(at) : from.readUInt32BE(at);

/** The address whose in-memory form the kernel printed as a native hexadecimal word, as /proc does. */
export function ipv4FromNativeHex(hex: string): Ipv4 {
  const word = Buffer.alloc(4);
  writeNative32(word, 0, Number.parseInt(hex, 16));
  return word.readUInt32BE(0) as Ipv4;
}

/** struct ip_mreqn: group, no local address, interface index. */
export function groupOnInterface(group: Ipv4, index: number): Buffer {
  const request = Buffer.alloc(12);
  writeIpv4(request, 0, group);
  writeNative32(request, 8, index);
  return request;
}

/** The kernel's number of an interface; undefined when there is none of that name. */
export function interfaceIndex(name: string): number | undefined {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/ifindex`, "utf8"));
  } catch {
    return undefined;
  }
}

/** strerror's text is all that raw-socket passes on. */
export const isPermission = (cause: unknown): boolean =>
  cause instanceof Error && /not permitted|permission denied/i.test(cause.message);

/** ENODEV or EADDRNOTAVAIL, as the strerror of glibc or musl has it: the interface is not there, or not for IPv4. */
export const isNoDevice = (cause: unknown): boolean =>
  cause instanceof Error && /no such device|cannot assign requested address|address not available/i.test(cause.message);

/** EAGAIN, as strerror has it: nothing waits in the socket's queue. */
export const isEmpty = (cause: unknown): boolean =>
  cause instanceof Error && /temporarily unavailable/i.test(cause.message);

/** Errors of a listener are our own mistakes: raw-socket would swallow them, so they are thrown past it. */
export function pastTheAddon<A extends unknown[]>(listen: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      listen(...args);
    } catch (mistake) {
      process.nextTick(() => {
        throw mistake;
      });
    }
  };
}
