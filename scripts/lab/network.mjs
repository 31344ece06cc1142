// Network namespaces, the links between them, and their removal whatever happens. Names begin with scl<pid>-.
import { readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command, succeeds } from "./command.mjs";

const PREFIX = /^scl(\d+)-/;

/** Quiet IPv6, no reverse path filter (multicast sources are elsewhere), and room for bursts. */
const SETTINGS = {
  "net/ipv6/conf/all/disable_ipv6": 1,
  "net/ipv6/conf/default/disable_ipv6": 1,
  "net/ipv4/conf/all/rp_filter": 0,
  "net/ipv4/conf/default/rp_filter": 0,
};

/** A network namespace as a place where processes run. */
export class Namespace {
  /** @param {string} name as ip netns knows it */
  constructor(name) {
    this.name = name;
  }

  /**
   * Program and arguments that run `program` in here. ip replaces itself with it, so the pid is the program's.
   * @param {string} program
   * @param {string[]} args
   * @returns {[string, string[]]}
   */
  inside(program, args) {
    return ["ip", ["netns", "exec", this.name, program, ...args]];
  }

  /**
   * @param {string} program
   * @param {...string} args
   */
  run(program, ...args) {
    return command(...this.inside(program, args));
  }

  /** @param {...string} args */
  ip(...args) {
    return command("ip", ["-n", this.name, ...args]);
  }

  /**
   * Writes below /proc/sys.
   * @param {Record<string, number | string>} settings
   */
  set(settings) {
    const lines = Object.entries(settings).map(([path, value]) => `echo ${value} >/proc/sys/${path}`);
    this.run("sh", "-ec", lines.join("\n"));
  }
}

/** This machine itself, for what runs without namespaces. */
export class Here {
  name = "here";

  /**
   * @param {string} program
   * @param {string[]} args
   * @returns {[string, string[]]}
   */
  inside(program, args) {
    return [program, args];
  }
}

/** Everything one run makes; `remove` takes it all away and may be called at any time, also twice. */
export class Network {
  #prefix = `scl${process.pid}-`;
  /** @type {Map<string, Namespace>} */
  #namespaces = new Map();

  /**
   * @param {string} short for example "headend"
   * @returns {Namespace}
   */
  namespace(short) {
    const namespace = new Namespace(this.#prefix + short);
    command("ip", ["netns", "add", namespace.name]);
    this.#namespaces.set(short, namespace);
    namespace.set(SETTINGS);
    namespace.ip("link", "set", "lo", "up");
    return namespace;
  }

  /**
   * A cable between two namespaces, without offloads: captures show what a wire would carry.
   * @param {{ at: Namespace, name: string, address?: string, bridge?: string }} one
   * @param {{ at: Namespace, name: string, address?: string, bridge?: string }} other
   */
  cable(one, other) {
    const peer = ["peer", "name", other.name, "netns", other.at.name];
    command("ip", ["link", "add", one.name, "netns", one.at.name, "type", "veth", ...peer]);
    for (const end of [one, other]) {
      const offloads = ["tso", "gso", "gro", "tx", "rx"].flatMap((kind) => [kind, "off"]);
      end.at.run("ethtool", "-K", end.name, ...offloads);
      if (end.address !== undefined) end.at.ip("address", "add", end.address, "dev", end.name);
      if (end.bridge !== undefined) end.at.ip("link", "set", end.name, "master", end.bridge);
      end.at.ip("link", "set", end.name, "up");
    }
  }

  /**
   * @param {Namespace} at
   * @param {string} name
   * @param {{ address?: string, snooping?: boolean }} [options]
   */
  bridge(at, name, { address, snooping = true } = {}) {
    at.ip("link", "add", name, "type", "bridge", "forward_delay", "0", "mcast_snooping", snooping ? "1" : "0");
    if (address !== undefined) at.ip("address", "add", address, "dev", name);
    at.ip("link", "set", name, "up");
  }

  remove() {
    for (const namespace of this.#namespaces.values()) succeeds("ip", ["netns", "del", namespace.name]);
    this.#namespaces.clear();
  }
}

/** True while a process with that number lives. */
function lives(/** @type {number} */ pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Removes what runs left that were killed before they could clean up: their processes, namespaces and directories. */
export function sweep() {
  sweepNamespaces();
  for (const name of readdirSync(tmpdir())) {
    const owner = PREFIX.exec(name)?.[1];
    if (owner !== undefined && !lives(Number(owner))) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function sweepNamespaces() {
  for (const line of command("ip", ["netns", "list"]).split("\n")) {
    const name = line.split(" ")[0] ?? "";
    const owner = PREFIX.exec(name)?.[1];
    if (owner === undefined || lives(Number(owner))) continue;
    for (const pid of processesIn(name)) succeeds("kill", ["-9", pid]);
    succeeds("ip", ["netns", "del", name]);
  }
}

/** None in a namespace that somebody else has swept since it was listed. */
function processesIn(/** @type {string} */ name) {
  try {
    return command("ip", ["netns", "pids", name]).split("\n").filter(Boolean);
  } catch {
    return [];
  }
}
