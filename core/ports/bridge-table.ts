import type { Ipv4 } from "../base/ipv4.ts";
import type { Duration } from "../base/time.ts";

/** Only these sources, or all but these; INCLUDE of none is nothing. As RFC 3376 section 2 has it. */
export interface PortFilter {
  readonly mode: "include" | "exclude";
  readonly sources: readonly Ipv4[];
}

/** What a bridge delivers through which of its ports, ours while it is open. */
export interface BridgeTable {
  /**
   * From now on the port gets this of the group: INCLUDE only these sources, EXCLUDE all but these, INCLUDE({}) nothing. A group that no
   * port gets goes to router ports only, while a querier is known; 224.0.0.0/24 goes to every port.
   */
  set(port: string, group: Ipv4, filter: PortFilter): void;
  /**
   * From now on the port gets nothing of the group, and a report of its hosts does not open it by itself, not even while nobody looks
   * after the bridge, until it is set again. A kernel before 6.2 opens it all the same until it is told this again.
   */
  refuse(port: string, group: Ipv4): void;
  /** Puts back what the bridge has lost by itself, as when a port leaves it and comes back. */
  restore(): void;
  /**
   * Ports that get every group and every report. The `others` get only what is set for them, whatever the bridge itself hears of routers
   * there; on a port in neither it goes by what it hears.
   */
  routerPorts(routers: readonly string[], others: readonly string[]): void;
  /** Ports behind which the bridge knew a router when it was opened. */
  routersFound(): readonly string[];
  /** Entries of a predecessor that was killed serve until this: those that nobody has set since go. */
  confirm(): void;
  /** What the bridge refused, by name. */
  counts(): Readonly<Record<string, number>>;
  /**
   * Every setting is as it was found, and entries go; those of a bridge that kept such a table by itself before stay, for as long as it
   * keeps what it has just heard.
   */
  close(): void;
}

/** The multicast tables of bridges. Drivers: linux (the kernel's MDB by rtnetlink), simulated. */
export interface BridgeTables {
  /**
   * @param silence how long no query may come, at least, before the bridge takes it that nobody asks, and floods; undefined: as it is set
   *
   * Throws HalError "bridge.no-bridge" (or none that keeps multicast groups), "bridge.permission", "bridge.failed" (file descriptors,
   * memory).
   */
  open(bridge: string, silence?: Duration): BridgeTable;
}
