// The IGMP host part of a simulated node's kernel: what its sockets join is reported on each interface, by core/igmp/host.

import { readIpv4 } from "../../core/base/ipv4.ts";
import { Runner } from "../../core/base/runner.ts";
import { MulticastHost, type MulticastHostEffect, type MulticastHostOptions } from "../../core/igmp/host/host.ts";
import { IGMP } from "../../core/igmp/wire.ts";
import type { SimulatedInterface, SimulatedNode } from "./node.ts";

const SOURCE = 12;
const DESTINATION = 16;

/** Follows the interfaces that the node has now and gets later; call once a node. */
export function attachKernelHost(node: SimulatedNode, options: MulticastHostOptions = {}): void {
  const hosts = new Map<SimulatedInterface, ReturnType<typeof hostOn>>();
  const hostFor = (on: SimulatedInterface) => {
    const known = hosts.get(on) ?? hostOn(node, on, options);
    hosts.set(on, known);
    return known;
  };
  for (const one of node.interfaces()) if (one.up) hostFor(one).feed({ kind: "up", address: one.address });
  node.linkWatchers.add((name, link) => {
    const on = node.interface(name);
    if (on !== undefined && link !== undefined)
      hostFor(on).feed(link.up ? { kind: "up", address: on.address } : { kind: "down" });
  });
  node.memberships.watchers.add((name, group, filter) => {
    const on = node.interface(name);
    if (on !== undefined) hostFor(on).feed({ kind: "want", group, filter });
  });
  node.receivers.add((packet, on) => {
    if (packet.kind === "igmp") hostFor(on).feed({ kind: "packet", bytes: packet.bytes });
  });
}

function hostOn(node: SimulatedNode, on: SimulatedInterface, options: MulticastHostOptions) {
  const { clock, entropy } = node.network;
  return new Runner(clock, new MulticastHost(IGMP, entropy, options), (effect: MulticastHostEffect) => {
    switch (effect.kind) {
      case "send":
        transmit(on, effect.packet);
        break;
      // The kernel says neither to the programs on it.
      case "mode":
      case "drop":
        break;
      default:
        effect satisfies never;
    }
  });
}

function transmit(on: SimulatedInterface, bytes: Uint8Array): void {
  on.transmit({ kind: "igmp", source: readIpv4(bytes, SOURCE), destination: readIpv4(bytes, DESTINATION), bytes });
}
