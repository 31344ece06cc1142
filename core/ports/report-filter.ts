import type { Duration } from "../base/time.ts";
import type { HalError } from "./errors.ts";

/** What becomes of a filter; a machine's other programs may take it away. */
export interface ReportFilterListener {
  /** What hosts report stays behind the ports, for the first time or again. */
  inForce(): void;
  /** It may cross the bridge; told once, until it is in force. "report-filter.port-name": that port cannot be named. Else as `ReportFilters`. */
  failed(error: HalError): void;
}

/** A port behind which reports are kept. */
export interface KeptPort {
  readonly port: string;
  /**
   * On a bridge that keeps VLANs apart: of frames of this VLAN alone, 1 to 4094, and whether these go out by the port without a tag. Absent:
   * of those that `FilteredBridge` says.
   */
  readonly vlan?: { readonly id: number; readonly untagged: boolean };
}

/**
 * Keeps IGMP reports and leaves of the hosts behind one bridge from crossing it; who listens on the bridge or its ports still hears them.
 * Queries, and all that is no IGMP, cross.
 */
export interface ReportFilter {
  /**
   * These are the bridge's ports, for `span` from now, 1 s at least; then reports cross it again, unless it is said anew. In force soon.
   * It outlives a process that is killed.
   */
  keep(ports: readonly KeptPort[], span: Duration): void;
  /** Reports cross the bridge; resolves when they do. */
  close(): Promise<void>;
}

/** Whose reports. */
export interface FilteredBridge {
  readonly bridge: string;
  /** Of frames with this tag too; undefined: only of those without. */
  readonly vlan?: number | undefined;
}

/**
 * Drivers: nft (nftables, family bridge), simulated. They fail with HalError "report-filter.missing" (no nft program),
 * "report-filter.permission", "report-filter.unsupported" (by this kernel), "report-filter.refused", "report-filter.vlan" (the bridge keeps
 * VLANs apart, and which is meant is not said).
 */
export interface ReportFilters {
  open(which: FilteredBridge, listener: ReportFilterListener): ReportFilter;
}
