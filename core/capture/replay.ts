// A capture through a RouterInterface per network on the capture's own clock: what happened when, the tables at its end, what was dropped.

import { Counters } from "../base/counters.ts";
import { DeadlineHeap } from "../base/deadline-heap.ts";
import { formatMac } from "../base/ethernet.ts";
import { ANY, type Ipv4 } from "../base/ipv4.ts";
import { after, type Instant, instant, seconds, type UnixTime, unixTime } from "../base/time.ts";
import type { InterfaceDrop, RouterInterfaceEffect, RouterInterfaceOptions } from "../igmp/interface-events.ts";
import {
  checkPacket,
  type IgmpDrop,
  type IgmpPacket,
  MESSAGE_KINDS,
  type MessageKind,
} from "../igmp/messages/packet.ts";
import { readQuery } from "../igmp/messages/query.ts";
import type { RouterInterface } from "../igmp/router-interface.ts";
import type { CapturedPacket, CaptureFault } from "./captured-packet.ts";
import { isIgmp } from "./igmp-packet.ts";
import type { LinkPayload } from "./link-payload.ts";
import { ipv4Of } from "./link-type.ts";
import { networkName, WatchedNetwork } from "./network.ts";
import type { ReplayDrop, TimelineEntry, TimelineEvent } from "./timeline.ts";

/** How the router that watches each network of the capture is set up. */
export interface ReplayOptions extends RouterInterfaceOptions {
  /** The router's own address: with one it takes part as querier, without it only listens. Nothing is ever sent. */
  readonly address?: Ipv4;
}

/** One network at the end of the capture. */
export interface ReplayedNetwork {
  readonly name: string;
  readonly igmp: number;
  readonly machine: RouterInterface;
}

/** What the machines made of a capture. */
export interface Replayed {
  readonly packets: number;
  /** Packets of IP protocol 2, the broken ones included. */
  readonly igmp: number;
  readonly types: Readonly<Record<MessageKind | "unknown", number>>;
  /** IGMP that had no effect, and records of it, by reason. */
  readonly drops: Readonly<Record<string, number>>;
  /** What is no IGMP at all, and leaves, which only a querier heeds. */
  readonly ignored: Readonly<Record<string, number>>;
  /** Why the capture ended early; undefined for a whole one. */
  readonly fault: CaptureFault | undefined;
  /** Link types that are not read, and how many packets were of each: the first MAX_UNREAD of them. */
  readonly unread: readonly { readonly linkType: number; readonly packets: number }[];
  /** Those with IGMP, in the order of their first. */
  readonly networks: readonly ReplayedNetwork[];
  /** The time of the last packet; 0 for an empty capture. */
  readonly end: UnixTime;
}

/** As many VLANs as there are. */
const MAX_NETWORKS = 4096;
/** Members and groups in all tables together: as many networks must not mean as many full tables. */
const MAX_MEMBERSHIPS = 131_072;
const MAX_UNREAD = 16;

/** A gap longer than this is a change of the capturing clock, or a joint of two captures: deadlines are not stepped through one by one. */
export const LONGEST_GAP = seconds(86_400);

/** A capture shows what was said, and refuses nobody. */
const NO_SHARES: RouterInterfaceOptions = {
  joinsPerSecond: Number.POSITIVE_INFINITY,
  newHostsPerMinute: Number.POSITIVE_INFINITY,
  newHostsPerMinutePerPort: Number.POSITIVE_INFINITY,
};

/** 275760-09-13, the last moment ECMA-262 knows: beyond it, milliseconds no longer add up in a float64. */
const LATEST = 8.64e15;

/** Never throws, whatever it is given; memory is bounded whatever the size of the capture. */
export class Replay {
  readonly #options: RouterInterfaceOptions;
  readonly #address: Ipv4;
  readonly #tell: (entry: TimelineEntry) => void;
  readonly #networks = new Map<string, WatchedNetwork>();
  readonly #kinds = new Counters<MessageKind | "unknown">();
  readonly #drops = new Counters<ReplayDrop>();
  readonly #ignored = new Counters<ReplayDrop>();
  readonly #unread = new Map<number, number>();
  #packets = 0;
  /** The packet that is looked at; undefined while time passes. */
  #frame: number | undefined;
  #fault: CaptureFault | undefined;
  #now: Instant | undefined;
  readonly #due = new DeadlineHeap<WatchedNetwork>();
  #size = 0;

  /** `tell` hears of each event at once, in the order of time. */
  constructor({ address, ...options }: ReplayOptions, tell: (entry: TimelineEntry) => void) {
    this.#options = { ...NO_SHARES, ...options, mayQuery: address !== undefined };
    this.#address = address ?? ANY;
    this.#tell = tell;
  }

  /** Why the reading ended early. */
  fault(reason: CaptureFault): void {
    this.#fault = reason;
  }

  /** The next packet in the order of the file. */
  packet(captured: CapturedPacket): void {
    this.#packets++;
    const now = this.advance(captured.at);
    this.#frame = this.#packets;
    const inner = ipv4Of(captured);
    if (typeof inner !== "string") this.#ipv4(now, captured, inner);
    else if (inner === "frame.link-type") this.#countUnread(captured.linkType);
    else this.#ignored.count(inner);
    this.#frame = undefined;
  }

  #countUnread(linkType: number): void {
    this.#ignored.count("frame.link-type");
    if (this.#unread.has(linkType) || this.#unread.size < MAX_UNREAD)
      this.#unread.set(linkType, (this.#unread.get(linkType) ?? 0) + 1);
  }

  #ipv4(now: Instant, { source }: CapturedPacket, payload: LinkPayload): void {
    const checked = checkPacket(payload.packet);
    if (typeof checked === "string" && !isIgmp(payload.packet)) {
      this.#ignored.count(checked);
      return;
    }
    if (typeof checked !== "string") this.#kinds.count(checked.kind);
    else if (checked === "igmp.unknown-type") this.#kinds.count("unknown");
    const name = networkName(source, payload.marks);
    const network = this.#networks.get(name) ?? this.#addNetwork(now, name);
    if (network === undefined) this.#noteDrop(now, name, "replay.too-many-networks");
    else this.#igmp(now, network, payload, checked);
  }

  #addNetwork(now: Instant, name: string): WatchedNetwork | undefined {
    if (this.#networks.size >= MAX_NETWORKS) return undefined;
    const network = new WatchedNetwork(name, this.#options);
    this.#networks.set(name, network);
    const up = { kind: "up", address: this.#address } as const;
    const effects = this.#observe(network, () => network.machine.receive(now, up));
    this.#note(now, network, effects, undefined);
    return network;
  }

  #igmp(now: Instant, network: WatchedNetwork, { packet, mac }: LinkPayload, checked: IgmpPacket | IgmpDrop): void {
    network.igmp++;
    if (this.#size >= MAX_MEMBERSHIPS && typeof checked !== "string" && checked.kind.endsWith("Report")) {
      this.#noteDrop(now, network.name, "replay.full");
      return;
    }
    const event = { kind: "packet", bytes: packet, ...(mac === undefined ? {} : { mac: formatMac(mac, 0) }) } as const;
    const effects = this.#observe(network, () => network.machine.receive(now, event));
    this.#note(now, network, effects, typeof checked === "string" ? undefined : checked);
  }

  /** Runs what may change a network's tables and deadlines, and takes note of both. */
  #observe(network: WatchedNetwork, change: () => readonly RouterInterfaceEffect[]): readonly RouterInterfaceEffect[] {
    const before = network.size;
    const effects = change();
    network.count(effects);
    this.#size += network.size - before;
    this.#due.schedule(network, network.machine.nextDeadline());
    return effects;
  }

  /** When time brings something next; undefined while only a packet can. */
  nextDeadline(): Instant | undefined {
    return this.#due.next();
  }

  /** Moves the clock, which never goes back, and lets the machines do what is due in between; gives what the clock shows now. */
  advance(at: number): Instant {
    const sane = Math.min(Math.max(at, 0), LATEST);
    const now = instant(Math.max(sane, this.#now ?? sane));
    const stepped = Math.min(now, after(this.#now ?? now, LONGEST_GAP));
    this.#now = now;
    for (let due = this.#due.next(); due !== undefined && due <= stepped; due = this.#due.next()) this.#poll(due);
    if (stepped < now) for (const network of this.#networks.values()) this.#pollOne(now, network);
    return now;
  }

  #poll(due: Instant): void {
    for (let network = this.#due.takeDue(due); network !== undefined; network = this.#due.takeDue(due))
      this.#pollOne(due, network);
  }

  #pollOne(now: Instant, network: WatchedNetwork): void {
    const effects = this.#observe(network, () => network.machine.poll(now));
    this.#note(now, network, effects, undefined);
  }

  #note(
    now: Instant,
    network: WatchedNetwork,
    effects: readonly RouterInterfaceEffect[],
    packet: IgmpPacket | undefined,
  ): void {
    for (const effect of effects) this.#noteOne(now, network.name, effect, packet);
  }

  #noteOne(now: Instant, network: string, effect: RouterInterfaceEffect, packet: IgmpPacket | undefined): void {
    switch (effect.kind) {
      case "heard":
        if (packet?.kind.endsWith("Query"))
          this.#say(now, network, { kind: "query", from: effect.from, query: readQuery(packet) });
        break;
      case "query-refused":
        break;
      case "send":
        this.#noteOwn(now, network, effect.packet);
        break;
      case "drop":
        this.#noteDrop(now, network, effect.reason);
        break;
      case "membership":
      case "host-joined":
      case "host-left":
      case "querier":
      case "older-querier":
        this.#say(now, network, effect);
    }
  }

  #noteOwn(now: Instant, network: string, bytes: Uint8Array): void {
    const packet = checkPacket(bytes);
    if (typeof packet !== "string") this.#say(now, network, { kind: "own-query", query: readQuery(packet) });
  }

  #noteDrop(now: Instant, network: string, reason: InterfaceDrop | ReplayDrop): void {
    if (reason === "igmp.leave-not-querier") {
      this.#ignored.count(reason);
      return;
    }
    this.#drops.count(reason);
    this.#say(now, network, { kind: "drop", reason });
  }

  #say(now: Instant, network: string, event: TimelineEvent): void {
    this.#tell({ at: unixTime(now), frame: this.#frame, network, ...event });
  }

  /** Everything so far. */
  result(): Replayed {
    const kinds = [...MESSAGE_KINDS, "unknown"] as const;
    const networks = [...this.#networks.values()];
    return {
      packets: this.#packets,
      igmp: networks.reduce((sum, { igmp }) => sum + igmp, this.#drops.of("replay.too-many-networks")),
      types: Object.fromEntries(kinds.map((kind) => [kind, this.#kinds.of(kind)])) as Replayed["types"],
      drops: this.#drops.snapshot(),
      ignored: this.#ignored.snapshot(),
      fault: this.#fault,
      unread: [...this.#unread].map(([linkType, packets]) => ({ linkType, packets })),
      networks,
      end: unixTime(this.#now ?? 0),
    };
  }
}
