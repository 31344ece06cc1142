// Our own addon, sockets.c: system calls on sockets that Node and raw-socket do not give. Here are its types, its errors and the
// structures of Linux that its octets hold. Whoever uses it is a driver.
import { getSystemErrorMap } from "node:util";

/**
 * The addon. Each call returns what the system call does, or a negative errno; what is no descriptor, no number in range or no array of
 * the kind throws TypeError. Descriptors are close-on-exec and do not block.
 */
export interface SocketsModule {
  /** A new descriptor. It hears nothing that is not bound to it when `protocol` of an AF_PACKET socket is 0. */
  socket(domain: number, type: number, protocol: number): number;
  /** `address` is a struct sockaddr of any family. */
  bind(fd: number, address: Uint8Array): number;
  setOption(fd: number, level: number, option: number, value: Uint8Array): number;
  /** Fills `into`; the number of octets that the kernel wrote. */
  getOption(fd: number, level: number, option: number, into: Uint8Array): number;
  /** Classic BPF: struct sock_filter, 8 octets an instruction, in the machine's byte order. At most 4096. */
  filter(fd: number, program: Uint8Array): number;
  /** The number of octets sent. */
  send(fd: number, packet: Uint8Array, to: Uint8Array): number;
  /**
   * The number of packets taken from the queue, no more than the arrays, which are for 64 at most, have room for behind the first `taken`;
   * -EAGAIN when none waits. `slots` has one slot of `slotOctets` a packet, `rows` PACKET_ROW numbers, `senders` SENDER_OCTETS octets
   * (struct sockaddr).
   */
  receive(
    fd: number,
    slots: Uint8Array,
    slotOctets: number,
    rows: Int32Array,
    senders: Uint8Array,
    taken: number,
  ): number;
  /**
   * Receives into these arrays whenever something waits, and calls `readable` with what that `receive` returned, until `unwatch` or
   * `close`; nobody else may use the arrays meanwhile. -EEXIST when the descriptor is watched already. When `readable` returns, what was
   * opened ahead of it (`ready`) is settled. `hasRoom` is 1 when `awaitRoom` asked for that.
   */
  watch(
    fd: number,
    readable: (count: number, hasRoom: number) => void,
    slots: Uint8Array,
    slotOctets: number,
    rows: Int32Array,
    senders: Uint8Array,
  ): number;
  unwatch(fd: number): number;
  /** The watch calls `readable` once when the kernel takes more to send; -ENOENT without a watch. */
  awaitRoom(fd: number): number;
  /** A second descriptor of what `fd` is in another process (pidfd_getfd, Linux 5.6); needs the right to trace it. */
  takeDescriptor(pid: number, fd: number): number;
  /** Ends the watch too, and what is ready on a routing socket. */
  close(fd: number): number;
  /**
   * Virtual interface `vif`, below 32, of the routing socket `fd` is the interface with this index; 0: none, and nothing is ready there.
   */
  readyAt(fd: number, vif: number, index: number): number;
  /**
   * The kernel has the route `entry` (struct mfcctl) of the routing socket `fd`, and whoever asks for the whole group on one of these
   * virtual interfaces gets it: a `receive` that finds such a report gives the kernel the route to there at once, for once. What was
   * opened so and is not in `entry` is closed at once; what nothing is said of here, when the watch's callback returns. With no `vifs`
   * nothing is ready any more.
   */
  ready(fd: number, entry: Uint8Array, vifs: Uint8Array): number;
  /** Free memory goes back to the system, now and from so many octets on (malloc_trim, M_TRIM_THRESHOLD); -ENOSYS without glibc. */
  trimAt(octets: number): number;
  /**
   * The pages of the program and its libraries leave this process's memory; those that are used again come back, from the page cache as a
   * rule. `smaps` is where Linux tells of them, /proc/self/smaps. The number of mappings, or a negative errno without the file.
   */
  releaseFiles(smaps: string): number;
  /**
   * Sends `count` datagrams, SEND_BATCH at most, to one address: those of the rows from `first` on, of which each has where its datagram
   * begins and ends in `octets`. How many of them have left, or why the first has not. `inSegments` 1: those of one length go to the kernel as one (UDP_SEGMENT), and are refused or
   * leave together; for sockets that have the option.
   */
  sendBatch(
    fd: number,
    octets: Uint8Array,
    rows: Int32Array,
    first: number,
    count: number,
    to: Uint8Array,
    inSegments: number,
  ): number;
  /** Fills `into` with the struct sockaddr that a socket is bound to; its length. */
  name(fd: number, into: Uint8Array): number;
  /**
   * A new SRTP session key, with the initialisation vector for packet index 0: AES-GCM with 12 octets of vector and an empty
   * `authentication`, AES-CM with HMAC-SHA1-80 with 16 and 20. All are copied. -ENOSYS when this Node shows no OpenSSL, -EINVAL for
   * lengths that no suite has.
   */
  srtpKey(key: Uint8Array, authentication: Uint8Array, vector: Uint8Array): number;
  /** Overwrites the key; its number may be another's afterwards. -ENOENT when there is none of the number. */
  srtpErase(key: number): number;
  /** Encrypts and tags `count` packets that lie in `octets`, as `rows` says (CIPHER_ROW); how many succeeded. */
  srtpSeal(octets: Uint8Array, rows: Int32Array, count: number): number;
  /** Checks and decrypts; a packet whose tag is wrong is as it was afterwards. */
  srtpOpen(octets: Uint8Array, rows: Int32Array, count: number): number;
}

/** Packets that one `receive` takes at most. */
export const RECEIVE_BATCH = 64;
/** Datagrams of one `sendBatch`, and numbers of each in its rows. */
export const SEND_BATCH = 64;
export const SEND_ROW = 2;
/** Octets of a sender's address. */
export const SENDER_OCTETS = 32;
/** Numbers of a packet in `rows`, and what each is. */
export const PACKET_ROW = {
  length: 8,
  /** As it was on the wire; more than a slot holds: it was cut. */
  octets: 0,
  /** Index of the interface (AF_PACKET, IP_PKTINFO), else 0. */
  interface: 2,
  /** PACKET_HOST ... of AF_PACKET, else -1. */
  type: 3,
  /** Of the VLAN tag that the card or the kernel took out (PACKET_AUXDATA); -1 without one. */
  vlan: 4,
  vlanProtocol: 5,
  /** TP_STATUS_* of PACKET_AUXDATA. */
  status: 6,
} as const;

/**
 * Numbers of a packet in the rows of srtpSeal and srtpOpen, and what each is. Places are octets from the beginning of the array; ROC (the
 * bits of a uint32) and sequence are the upper and the lower part of the packet index.
 */
export const CIPHER_ROW = {
  length: 9,
  key: 0,
  /** Where its header begins, where the header ends and the text begins, and where that ends. */
  start: 1,
  text: 2,
  end: 3,
  /** Where the tag is, at the text's end or behind it. */
  tag: 4,
  /** So many octets of the tag, in AES-CM 4 to 10, in AES-GCM 16; 0 for all of it. */
  tagOctets: 5,
  roc: 6,
  sequence: 7,
  /** Written: 1 done, 0 the tag is wrong, else a negative errno: -EINVAL places that do not lie in the array in this order. */
  outcome: 8,
} as const;

/** A system call that the kernel refused. `message` ends in strerror's text, `code` is errno's name ("ENODEV"). */
export class SystemError extends Error {
  readonly code: string;

  constructor(call: string, errno: number) {
    const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, `error ${errno}`];
    super(`${call}: ${text}`);
    this.name = "SystemError";
    this.code = code;
  }
}

/** The result of a system call; throws SystemError when it is a negative errno. */
export function succeeded(call: string, result: number): number {
  if (result < 0) throw new SystemError(call, -result);
  return result;
}
