// A capture through a RouterInterface on the capture's own clock: the membership timeline, the tables at its end, what was dropped.

import { Counters } from "../base/counters.ts";
import { ANY, type Ipv4 } from "../base/ipv4.ts";
import { after, type Instant, instant, seconds, type UnixTime, unixTime } from "../base/time.ts";
import type { SourceFilter } from "../igmp/filter.ts";
import type { HostMembership, LeaveCause } from "../igmp/host-table.ts";
import type { InterfaceDrop, RouterInterfaceEffect, RouterInterfaceOptions } from "../igmp/interface-events.ts";
import { checkPacket, type IgmpDrop, MESSAGE_KINDS, type MessageKind } from "../igmp/packet.ts";
import type { IgmpVersion } from "../igmp/query.ts";
import { RouterInterface } from "../igmp/router-interface.ts";
import { readCapture } from "./capture.ts";
import type { CapturedPacket, CaptureFault } from "./captured-packet.ts";
import { ipv4Of, type LinkDrop, type LinkPayload } from "./link-type.ts";

/** How the router that watches the capture is set up. */
export interface ReplayOptions extends RouterInterfaceOptions {
  /** The router's own address: with one it takes part as querier, without it only listens. Nothing is ever sent. */
  readonly address?: Ipv4;
}

/** Every reason for which a captured packet, or the rest of the capture, has no effect. */
export type ReplayDrop = LinkDrop | InterfaceDrop | CaptureFault;

/** What happened at one moment of the capture. */
export type TimelineEvent =
  | { readonly kind: "host-joined"; readonly membership: HostMembership }
  | { readonly kind: "host-left"; readonly membership: HostMembership; readonly cause: LeaveCause }
  | { readonly kind: "membership"; readonly group: Ipv4; readonly filter: SourceFilter }
  | Extract<RouterInterfaceEffect, { kind: "querier" }>
  | { readonly kind: "older-querier"; readonly version: IgmpVersion; readonly address: Ipv4 }
  /** With an address of its own: the router would have sent a query here. */
  | { readonly kind: "query" }
  | { readonly kind: "drop"; readonly reason: ReplayDrop };

/** What the machine made of a capture. */
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
  readonly machine: RouterInterface;
  /** The time of the last packet; 0 for an empty capture. */
  readonly end: UnixTime;
  readonly timeline: readonly ({ readonly at: UnixTime } & TimelineEvent)[];
  /** Events beyond MAX_TIMELINE, which are counted only. */
  readonly timelineLeftOut: number;
}

/** Events that a timeline holds; a flood of packets must not become a flood of memory. */
const MAX_TIMELINE = 100_000;

/** A gap longer than this is a change of the capturing clock, or a joint of two captures: deadlines are not stepped through one by one. */
const LONGEST_GAP = seconds(86_400);

/** A capture shows what was said, and refuses nobody. */
const NO_SHARES: RouterInterfaceOptions = {
  maxGroupsPerHost: Number.POSITIVE_INFINITY,
  joinsPerSecond: Number.POSITIVE_INFINITY,
};

/** 275760-09-13, the last moment ECMA-262 knows: beyond it, milliseconds no longer add up in a float64. */
const LATEST = 8.64e15;

const NOT_IGMP: ReadonlySet<IgmpDrop> = new Set<IgmpDrop>([
  "ip.truncated",
  "ip.version",
  "ip.header-length",
  "ip.total-length",
  "ip.not-igmp",
]);

/** Never throws, whatever is in the file; memory grows with its packets, and with the limits of `options`, only. */
export function replayIgmp(file: Uint8Array, options: ReplayOptions = {}): Replayed {
  const replay = new Replay(options);
  for (const item of readCapture(file)) {
    if (typeof item === "string") replay.fault = item;
    else replay.packet(item);
  }
  return replay.result();
}

class Replay {
  fault: CaptureFault | undefined;
  readonly #address: Ipv4;
  readonly #machine: RouterInterface;
  readonly #kinds = new Counters<MessageKind | "unknown">();
  readonly #drops = new Counters<ReplayDrop>();
  readonly #ignored = new Counters<ReplayDrop>();
  readonly #timeline: ({ readonly at: UnixTime } & TimelineEvent)[] = [];
  #leftOut = 0;
  #packets = 0;
  #igmp = 0;
  #now: Instant | undefined;

  constructor(options: ReplayOptions) {
    this.#address = options.address ?? ANY;
    this.#machine = new RouterInterface({ ...NO_SHARES, ...options, mayQuery: options.address !== undefined });
  }

  packet(captured: CapturedPacket): void {
    this.#packets++;
    const now = this.#advance(captured.at);
    const inner = ipv4Of(captured);
    if (typeof inner === "string") this.#ignored.count(inner);
    else this.#ipv4(now, inner);
  }

  #ipv4(now: Instant, { packet, mac }: LinkPayload): void {
    const checked = checkPacket(packet);
    if (typeof checked === "string" && NOT_IGMP.has(checked)) {
      this.#ignored.count(checked);
      return;
    }
    this.#igmp++;
    if (typeof checked !== "string") this.#kinds.count(checked.kind);
    else if (checked === "igmp.unknown-type") this.#kinds.count("unknown");
    this.#note(now, this.#machine.receive(now, { kind: "packet", bytes: packet, mac }));
  }

  /** Moves the clock, which never goes back, and lets the machine do what is due in between. */
  #advance(at: UnixTime): Instant {
    const sane = Math.min(Math.max(at, 0), LATEST);
    const now = instant(Math.max(sane, this.#now ?? sane));
    if (this.#now === undefined) this.#note(now, this.#machine.receive(now, { kind: "up", address: this.#address }));
    const stepped = Math.min(now, after(this.#now ?? now, LONGEST_GAP));
    this.#now = now;
    for (;;) {
      const due = this.#machine.nextDeadline();
      if (due === undefined || due > stepped) break;
      this.#note(due, this.#machine.poll(due));
    }
    this.#note(now, this.#machine.poll(now));
    return now;
  }

  #note(now: Instant, effects: readonly RouterInterfaceEffect[]): void {
    for (const effect of effects) this.#noteOne(unixTime(now), effect);
  }

  #noteOne(at: UnixTime, effect: RouterInterfaceEffect): void {
    switch (effect.kind) {
      case "heard":
      case "query-refused":
        break;
      case "send":
        this.#tell({ at, kind: "query" });
        break;
      case "drop":
        this.#noteDrop(at, effect.reason);
        break;
      case "membership":
      case "host-joined":
      case "host-left":
      case "querier":
      case "older-querier":
        this.#tell({ at, ...effect });
    }
  }

  #noteDrop(at: UnixTime, reason: InterfaceDrop): void {
    if (reason === "igmp.leave-not-querier") {
      this.#ignored.count(reason);
      return;
    }
    this.#drops.count(reason);
    this.#tell({ at, kind: "drop", reason });
  }

  #tell(event: { readonly at: UnixTime } & TimelineEvent): void {
    if (this.#timeline.length < MAX_TIMELINE) this.#timeline.push(event);
    else this.#leftOut++;
  }

  result(): Replayed {
    const kinds = [...MESSAGE_KINDS, "unknown"] as const;
    return {
      packets: this.#packets,
      igmp: this.#igmp,
      types: Object.fromEntries(kinds.map((kind) => [kind, this.#kinds.of(kind)])) as Replayed["types"],
      drops: this.#drops.snapshot(),
      ignored: this.#ignored.snapshot(),
      fault: this.fault,
      machine: this.#machine,
      end: unixTime(this.#now ?? 0),
      timeline: this.#timeline,
      timelineLeftOut: this.#leftOut,
    };
  }
}
