// What the kernel has thrown away because a UDP socket of this process was not read in time: /proc/net/udp says it of each. For drivers
// that cannot ask the socket itself (SO_MEMINFO, SO_RXQ_OVFL).
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

/**
 * Datagrams dropped at this process's open sockets with this address and port; undefined where the kernel does not say. Reads two places in
 * /proc: for status, not for every packet.
 */
export function droppedAt(address: Ipv4, port: number, paths: ProcPaths = PROC): number | undefined {
  const inodes = inodesIn(paths.descriptors);
  const local = `${hex(address, 8)}:${hex(port, 4)}`;
  const ours = linesOf(paths.sockets)
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => localOf(columns) === local && inodes.has(columns[INODE] ?? ""));
  return ours.length === 0 ? undefined : ours.reduce((sum, columns) => sum + Number(columns[DROPS]), 0);
}

/** Of our sockets: others may be bound to the same group and port. */
function inodesIn(descriptors: string): ReadonlySet<string> {
  const links = unlessAway(() => readdirSync(descriptors), []).map((name) => linkOf(`${descriptors}/${name}`));
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
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
const linkOf = (path: string): string => unlessAway(() => readlinkSync(path), "");
