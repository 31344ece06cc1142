// What the kernel has thrown away because a UDP socket of this process was not read in time: /proc/net/udp says it of each.
// (SO_RXQ_OVFL tells the same with every datagram; node:dgram shows no control messages.)
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { endianness } from "node:os";
import type { Ipv4 } from "../../core/base/ipv4.ts";
import type { ReceiveQueues } from "../../core/ports/datagrams.ts";

/** Where the kernel tells of sockets; another place in tests. */
export interface ProcPaths {
  readonly sockets: string;
  /** A folder of this process's descriptors, each a link. */
  readonly descriptors: string;
}

const PROC: ProcPaths = { sockets: "/proc/net/udp", descriptors: "/proc/self/fd" };

/** net/ipv4/udp.c, udp4_format_sock: of the columns, those that are read. */
const LOCAL = 1;
const INODE = 9;
const DROPS = 12;

interface Tally {
  /** Of sockets that are gone. */
  readonly before: number;
  readonly now: number;
}

/** One for all sockets of the process, for as long as it runs. */
export class KernelQueues implements ReceiveQueues {
  readonly #paths: ProcPaths;
  readonly #tallies = new Map<string, Tally>();

  constructor(paths: ProcPaths = PROC) {
    this.#paths = paths;
  }

  /**
   * What sockets that are closed had dropped is remembered as it was at the last call; 0 where the kernel does not say. Reads two places in
   * /proc: for status, not for every packet.
   */
  overflowed(address: Ipv4, port: number): number {
    const key = `${hex(address, 8)}:${hex(port, 4)}`;
    const dropped = this.#read(key);
    const { before, now } = this.#tallies.get(key) ?? { before: 0, now: 0 };
    // A socket that was opened anew counts from zero.
    const tally = dropped < now ? { before: before + now, now: dropped } : { before, now: dropped };
    this.#tallies.set(key, tally);
    return tally.before + tally.now;
  }

  #read(key: string): number {
    const inodes = this.#inodes();
    let drops = 0;
    for (const line of linesOf(this.#paths.sockets)) {
      const columns = line.trim().split(/\s+/);
      if (localOf(columns) === key && inodes.has(columns[INODE] ?? "")) drops += Number(columns[DROPS]);
    }
    return drops;
  }

  /** Of our sockets: others may be bound to the same group and port. */
  #inodes(): ReadonlySet<string> {
    const inodes = new Set<string>();
    for (const name of namesIn(this.#paths.descriptors)) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`${this.#paths.descriptors}/${name}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    }
    return inodes;
  }
}

const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, "0");

/** The kernel prints the address as a number of its own byte order. */
function localOf(columns: readonly string[]): string {
  const [address = "", port = ""] = (columns[LOCAL] ?? "").split(":");
  return `${endianness() === "LE" ? address.replace(/(..)(..)(..)(..)/, "$4$3$2$1") : address}:${port}`;
}

/** What cannot be read says nothing: a container without /proc, a descriptor that has just been closed. */
function unlessAway<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

const linesOf = (path: string): readonly string[] =>
  unlessAway(() => readFileSync(path, "latin1").split("\n").slice(1), []);
const namesIn = (path: string): readonly string[] => unlessAway(() => readdirSync(path), []);
const linkOf = (path: string): string => unlessAway(() => readlinkSync(path), "");
