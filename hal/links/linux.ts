// Interfaces of a Linux machine: /sys/class/net for what is, `ip monitor` (or a look every second) for what changes.
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { formatIpv4, type Ipv4, parseIpv4 } from "../../core/base/ipv4.ts";
import type { Link, Links } from "../../core/ports/links.ts";

const LOOK_EVERY = 1000;
const FIRST_LOOK = 50;
const LAST_LOOK = 5000;
const IFF_UP = 0x1;
/** net/arp.h: the entry is complete. */
const ATF_COM = 0x2;

type Changed = (name: string, link: Link | undefined) => void;

/** This machine's. */
export const linuxLinks: Links = {
  get: readLink,
  list: listLinks,
  changes: (changed) => watchAll(changed),
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

function listLinks(): readonly Link[] {
  return namesIn("/sys/class/net").flatMap((name) => readLink(name) ?? []);
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
    ports: namesIn(`${folder}/brif`),
  };
}

function addressesOf(name: string): Link["addresses"] {
  return (networkInterfaces()[name] ?? []).flatMap(({ family, address, cidr }) => {
    const parsed = family === "IPv4" ? parseIpv4(address) : undefined;
    return parsed === undefined ? [] : [{ address: parsed, prefixLength: Number(cidr?.split("/")[1] ?? 32) }];
  });
}

/** In order; none when there is no such folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
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

type Monitor = readonly [string, ...string[]];
const MONITOR: Monitor = ["ip", "-o", "monitor", "link", "address"];

function watchAll(changed: () => void): () => void {
  let seen = JSON.stringify(listLinks());
  return lookAtChanges(() => {
    const now = JSON.stringify(listLinks());
    if (now === seen) return;
    seen = now;
    changed();
  }, MONITOR);
}

/**
 * @param monitor the command whose every line means "look again"; where there is none (BusyBox `ip` has no monitor), or when it
 * ends, we look every second.
 */
export function watchLinks(names: readonly string[], changed: Changed, monitor: Monitor = MONITOR): () => void {
  const seen = new Map(names.map((name) => [name, JSON.stringify(readLink(name))]));
  return lookAtChanges((isStopped) => {
    for (const name of names) {
      const link = readLink(name);
      const text = JSON.stringify(link);
      if (isStopped() || text === seen.get(name)) continue;
      seen.set(name, text);
      changed(name, link);
    }
  }, monitor);
}

/** Calls `glance` when something may have changed, until the function that it returns is called. */
function lookAtChanges(glance: (isStopped: () => boolean) => void, monitor: Monitor): () => void {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const look = (): void => {
    if (!stopped) glance(() => stopped);
  };
  const child = listen(monitor, look, () => {
    if (!stopped) timer ??= setInterval(look, LOOK_EVERY);
  });
  // A monitor hears nothing until it has started, and some changes (a carrier) come a moment before /sys shows them, without a line.
  const settle = lookLessAndLess(look);
  // However the process ends: a monitor that nobody reads would stay until the next change.
  const kill = (): void => void child.kill();
  process.once("exit", kill);
  return () => {
    stopped = true;
    process.off("exit", kill);
    settle();
    clearInterval(timer);
    child.kill();
  };
}

/** After 50 ms, after twice that, and so on, then every 5 s; returns the way to stop. */
function lookLessAndLess(look: () => void): () => void {
  let wait = FIRST_LOOK;
  const again = (): void => {
    look();
    wait = Math.min(2 * wait, LAST_LOOK);
    timer = setTimeout(again, wait);
  };
  let timer = setTimeout(again, wait);
  return () => clearTimeout(timer);
}

function listen([command, ...rest]: Monitor, look: () => void, ended: () => void): ChildProcess {
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout?.on("data", () => look());
  child.on("error", ended);
  child.on("exit", ended);
  return child;
}
