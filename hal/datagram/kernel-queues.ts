// What the kernel has thrown away because a UDP socket of this process was not read in time: /proc/net/udp says it of each.
// (SO_RXQ_OVFL tells the same with every datagram; node:dgram shows neither control messages nor its descriptor.)
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { endianness } from "node:os";
import type { Ipv4 } from "../../core/base/ipv4.ts";

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

/** The sockets of one driver, each known to the kernel by its inode. */
export class KernelQueues {
  readonly #paths: ProcPaths;
  /** Of sockets that are open. */
  readonly #claimed = new Set<string>();

  constructor(paths: ProcPaths = PROC) {
    this.#paths = paths;
  }

  /**
   * The inode of a socket of this process that is bound there, until it is released. Which of several with the same address and port it
   * is cannot be told, but each claim gets another. undefined where the kernel does not say.
   */
  claim(address: Ipv4, port: number): string | undefined {
    const local = `${hex(address, 8)}:${hex(port, 4)}`;
    const ours = this.#inodes();
    const inode = this.#sockets()
      .filter((columns) => localOf(columns) === local)
      .map(inodeOf)
      .find((one) => ours.has(one) && !this.#claimed.has(one));
    if (inode !== undefined) this.#claimed.add(inode);
    return inode;
  }

  release(inode: string): void {
    this.#claimed.delete(inode);
  }

  /** What it has dropped since it was opened; undefined where the kernel does not say. */
  droppedBy(inode: string): number | undefined {
    const columns = this.#sockets().find((one) => inodeOf(one) === inode);
    return columns && Number(columns[DROPS]);
  }

  #sockets(): readonly (readonly string[])[] {
    return linesOf(this.#paths.sockets).map((line) => line.trim().split(/\s+/));
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

const inodeOf = (columns: readonly string[]): string => columns[INODE] ?? "";

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
