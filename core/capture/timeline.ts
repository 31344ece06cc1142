// What happened in a capture, moment by moment, and how much of it is kept.
import type { Ipv4 } from "../base/ipv4.ts";
import type { UnixTime } from "../base/time.ts";
import type { SourceFilter } from "../igmp/filter.ts";
import type { HostMembership, LeaveCause } from "../igmp/host-table.ts";
import type { InterfaceDrop } from "../igmp/interface-events.ts";
import type { IgmpVersion, Query } from "../igmp/messages/query.ts";
import type { CaptureFault } from "./captured-packet.ts";
import type { LinkDrop } from "./link-payload.ts";

/** Every reason for which a captured packet, or the rest of the capture, has no effect. */
export type ReplayDrop =
  | LinkDrop
  | InterfaceDrop
  | CaptureFault
  /** IGMP of yet another network than MAX_NETWORKS. */
  | "replay.too-many-networks"
  /** A report, while all tables together hold MAX_MEMBERSHIPS. */
  | "replay.full";

/** What happened at one moment of the capture. */
export type TimelineEvent =
  | { readonly kind: "host-joined"; readonly membership: HostMembership }
  | { readonly kind: "host-left"; readonly membership: HostMembership; readonly cause: LeaveCause }
  | { readonly kind: "membership"; readonly group: Ipv4; readonly filter: SourceFilter }
  | { readonly kind: "querier"; readonly ours: boolean; readonly address: Ipv4 | undefined }
  | { readonly kind: "older-querier"; readonly version: IgmpVersion; readonly address: Ipv4 }
  /** Somebody asks. */
  | { readonly kind: "query"; readonly from: Ipv4; readonly query: Query }
  /** With an address of its own: the router would have asked this here. */
  | { readonly kind: "own-query"; readonly query: Query }
  | { readonly kind: "drop"; readonly reason: ReplayDrop };

/** An event, when and where. */
export type TimelineEntry = {
  readonly at: UnixTime;
  /** The packet that brought it, from 1 as Wireshark counts them; undefined for what time brought. */
  readonly frame: number | undefined;
  /** As `networkName` says it. */
  readonly network: string;
} & TimelineEvent;

/** Entries that are kept. */
const MAX_ENTRIES = 100_000;
/** Sources in all of them together: a query or a filter may name hundreds. */
const MAX_SOURCES = 1_000_000;

/** Keeps what it is told, in order; a flood of packets must not become a flood of memory. */
export class Timeline {
  readonly entries: TimelineEntry[] = [];
  /** Entries that were not kept. */
  leftOut = 0;
  #sources = 0;

  tell(entry: TimelineEntry): void {
    const sources = this.#sources + sourcesIn(entry);
    if (this.entries.length >= MAX_ENTRIES || sources > MAX_SOURCES) {
      this.leftOut++;
      return;
    }
    this.#sources = sources;
    this.entries.push(entry);
  }
}

function sourcesIn(event: TimelineEvent): number {
  switch (event.kind) {
    case "host-joined":
    case "host-left":
      return event.membership.filter.sources.length;
    case "membership":
      return event.filter.sources.length;
    case "query":
    case "own-query":
      return event.query.sources.length;
    case "querier":
    case "older-querier":
    case "drop":
      return 0;
  }
}
