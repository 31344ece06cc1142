// One network of a capture: what tells it from the others, and the router's own machine for it.

import type { Scheduled } from "../base/deadline-heap.ts";
import { formatMac } from "../base/ethernet.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Instant } from "../base/time.ts";
import { wantsNothing } from "../igmp/filter.ts";
import type { RouterInterfaceEffect, RouterInterfaceOptions } from "../igmp/interface-events.ts";
import { RouterInterface } from "../igmp/router-interface.ts";
import { IGMP } from "../igmp/wire.ts";
import type { CaptureInterface } from "./captured-packet.ts";
import type { LinkMark } from "./link-payload.ts";

/**
 * "interface 0 (eth0), VLAN 100, VLAN 7": from the outside inwards; "untagged" where nothing tells it from another. Two packets are of
 * one network when their names are equal.
 */
export function networkName(source: CaptureInterface | undefined, marks: readonly LinkMark[]): string {
  const words = [...(source === undefined ? [] : [interfaceWords(source)]), ...marks.map(markWords)];
  return words.length === 0 ? "untagged" : words.join(", ");
}

const interfaceWords = ({ index, name }: CaptureInterface): string =>
  name === "" ? `interface ${index}` : `interface ${index} (${name})`;

function markWords(mark: LinkMark): string {
  switch (mark.kind) {
    case "interface":
      return `link ${mark.index}`;
    case "vlan":
      return `VLAN ${mark.id}`;
    case "pppoe":
      return `PPPoE ${mark.session}${mark.ends === "" ? "" : ` ${mark.ends}`}`;
    case "bss":
      return `BSS ${formatMac(mark.address, 0)}`;
  }
}

/** The router interface that watches one network, and how much it keeps. */
export class WatchedNetwork implements Scheduled {
  readonly name: string;
  readonly machine: RouterInterface;
  /** Packets of IP protocol 2, the broken ones included. */
  igmp = 0;
  /** Of the heap of deadlines. */
  due: Instant | undefined;
  place = -1;
  #hosts = 0;
  readonly #groups = new Set<Ipv4>();

  constructor(name: string, options: RouterInterfaceOptions) {
    this.name = name;
    this.machine = new RouterInterface(IGMP, options);
  }

  /** Members and groups in its tables, as `count` was told. */
  get size(): number {
    return this.#hosts + this.#groups.size;
  }

  /** Takes note of what the machine's effects say of its tables. */
  count(effects: readonly RouterInterfaceEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "host-joined") this.#hosts++;
      else if (effect.kind === "host-left") this.#hosts--;
      else if (effect.kind !== "membership") continue;
      else if (wantsNothing(effect.filter)) this.#groups.delete(effect.group);
      else this.#groups.add(effect.group);
    }
  }
}
