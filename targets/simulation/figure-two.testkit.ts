// The patent's figure 2 as a simulated network: source and headend 41 behind router 42, set-tops behind routers 12, 22 and 32.
import { address, type Ipv4 } from "../../core/base/ipv4.ts";
import { attachKernelHost } from "../../hal/simulation/kernel-host.ts";
import type { SimulatedLan } from "../../hal/simulation/lan.ts";
import type { SimulatedNetwork } from "../../hal/simulation/network.ts";
import type { SimulatedNode } from "../../hal/simulation/node.ts";

/** Router to its interfaces: upstream, downstream. */
export const ROUTERS = {
  "router-42": ["up0", "core0"],
  "router-12": ["core0", "br0"],
  "router-22": ["core0", "lan0"],
  "router-32": ["core0", "lan0"],
} as const;
export type RouterName = keyof typeof ROUTERS;
export const ROUTER_NAMES = Object.keys(ROUTERS) as readonly RouterName[];

/** 11 and 13 are on two ports of router 12's bridge; the stranger has no subscription and sits beside 21. */
export const SETTOPS = {
  "settop-11": "10.12.0.11",
  "settop-13": "10.12.0.13",
  "settop-21": "10.22.0.21",
  "settop-31": "10.32.0.31",
  stranger: "10.22.0.66",
} as const;
export type SettopName = keyof typeof SETTOPS;
export const SETTOP_NAMES = Object.keys(SETTOPS) as readonly SettopName[];

export const HEADEND: Ipv4 = address("10.41.0.41");
/** Where the headend takes in its clear streams. */
export const INTAKE: Ipv4 = address("10.99.0.41");

export interface FigureTwo {
  readonly node: (name: RouterName | SettopName | "headend" | "source") => SimulatedNode;
  /** The LANs whose faults a run may choose; the studio's stays clean. */
  readonly lans: Readonly<Record<"head" | "core" | "lan11" | "lan13" | "lan22" | "lan32", SimulatedLan>>;
}

export function figureTwo(network: SimulatedNetwork): FigureTwo {
  const nodes = new Map<string, SimulatedNode>();
  const node = (name: string): SimulatedNode => {
    const known = nodes.get(name) ?? network.node(name);
    nodes.set(name, known);
    return known;
  };
  const lans = {
    head: network.lan("head"),
    core: network.lan("core"),
    lan11: network.lan("lan11"),
    lan13: network.lan("lan13"),
    lan22: network.lan("lan22"),
    lan32: network.lan("lan32"),
  };
  const plug = (name: string, on: string, at: string, lan: SimulatedLan | Record<string, SimulatedLan>) =>
    node(name).attach(on, { address: address(at), lan });
  const studio = network.lan("studio");
  plug("source", "eth0", "10.99.0.1", studio);
  plug("headend", "eth0", "10.41.0.41", lans.head);
  plug("headend", "eth1", "10.99.0.41", studio);
  plug("router-42", "up0", "10.41.0.1", lans.head);
  plug("router-42", "core0", "10.0.0.42", lans.core);
  for (const one of [12, 22, 32]) plug(`router-${one}`, "core0", `10.0.0.${one}`, lans.core);
  plug("router-12", "br0", "10.12.0.1", { lan11: lans.lan11, lan13: lans.lan13 });
  plug("router-22", "lan0", "10.22.0.1", lans.lan22);
  plug("router-32", "lan0", "10.32.0.1", lans.lan32);
  const links = {
    "settop-11": "lan11",
    "settop-13": "lan13",
    "settop-21": "lan22",
    "settop-31": "lan32",
    stranger: "lan22",
  };
  for (const name of SETTOP_NAMES) {
    plug(name, "eth0", SETTOPS[name], lans[links[name] as keyof typeof lans]);
    attachKernelHost(node(name));
  }
  return { node, lans };
}
