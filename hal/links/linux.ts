// Interfaces of a Linux machine: /sys/class/net for what is, `ip monitor` (or a look every second) for what changes.
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { formatIpv4, type Ipv4, parseIpv4 } from "../../core/base/ipv4.ts";
import type { Link, Links } from "../../core/ports/links.ts";

const LOOK_EVERY = 1000;
const IFF_UP = 0x1;
/** net/arp.h: the entry is complete. */
const ATF_COM = 0x2;

type Changed = (name: string, link: Link | undefined) => void;

export const linuxLinks: Links = {
  get: readLink,
  watch: (names, changed) => watchLinks(names, changed),
  neighbour: (interfaceName, address) => findNeighbour(read("/proc/net/arp") ?? "", interfaceName, address),
};

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1").trim();
  } catch {
    return undefined;
  }
}

function readLink(name: string): Link | undefined {
  const folder = `/sys/class/net/${name}`;
  const index = read(`${folder}/ifindex`);
  if (index === undefined) return undefined;
  const flags = Number(read(`${folder}/flags`) ?? 0);
  const state = read(`${folder}/operstate`);
  return {
    name,
    index: Number(index),
    // Tunnels say "unknown"; "down" and "lowerlayerdown" carry nothing.
    up: (flags & IFF_UP) !== 0 && state !== "down" && state !== "lowerlayerdown",
    addresses: addressesOf(name),
    ports: portsOf(folder),
  };
}

function addressesOf(name: string): Link["addresses"] {
  return (networkInterfaces()[name] ?? []).flatMap(({ family, address, cidr }) => {
    const parsed = family === "IPv4" ? parseIpv4(address) : undefined;
    return parsed === undefined ? [] : [{ address: parsed, prefixLength: Number(cidr?.split("/")[1] ?? 32) }];
  });
}

function portsOf(folder: string): string[] {
  try {
    return readdirSync(`${folder}/brif`).sort();
  } catch {
    return [];
  }
}

/** The MAC of a complete entry of /proc/net/arp: address, type, flags, MAC, mask, device. */
export function findNeighbour(table: string, interfaceName: string, address: Ipv4): string | undefined {
  const wanted = formatIpv4(address);
  for (const line of table.split("\n")) {
    const [entry, , flags, mac, , device] = line.split(/\s+/);
    if (entry === wanted && device === interfaceName && (Number(flags) & ATF_COM) !== 0) return mac;
  }
  return undefined;
}

/**
 * @param monitor the command whose every line means "look again"; where there is none (BusyBox `ip` has no monitor), or when it
 * ends, we look every second.
 */
export function watchLinks(
  names: readonly string[],
  changed: Changed,
  monitor: readonly [string, ...string[]] = ["ip", "-o", "monitor", "link", "address"],
): () => void {
  const seen = new Map(names.map((name) => [name, JSON.stringify(readLink(name))]));
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const look = (): void => {
    for (const name of names) {
      const link = readLink(name);
      const text = JSON.stringify(link);
      if (stopped || text === seen.get(name)) continue;
      seen.set(name, text);
      changed(name, link);
    }
  };
  const child = listen(monitor, look, () => {
    if (!stopped) timer ??= setInterval(look, LOOK_EVERY);
  });
  // Some changes (a carrier) come a moment before /sys shows them, and without a line of their own.
  const settle = setInterval(look, 5 * LOOK_EVERY);
  return () => {
    stopped = true;
    clearInterval(settle);
    clearInterval(timer);
    child.kill();
  };
}

function listen([command, ...rest]: readonly [string, ...string[]], look: () => void, ended: () => void): ChildProcess {
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout?.on("data", () => look());
  child.on("error", ended);
  child.on("exit", ended);
  return child;
}
