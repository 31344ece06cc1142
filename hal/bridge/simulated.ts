// A bridge's multicast table that only remembers what it was told.
import type { Ipv4 } from "../../core/base/ipv4.ts";
import { admits, type SourceFilter, wantsNothing } from "../../core/igmp/filter.ts";
import type { BridgeTable, BridgeTableOptions, BridgeTables } from "../../core/ports/bridge-table.ts";
import { HalError } from "../../core/ports/errors.ts";

/** Of bridges that are known by name, each with its ports. */
export class SimulatedBridges implements BridgeTables {
  readonly #ports: Readonly<Record<string, readonly string[]>>;
  /** What each bridge, and "br0.10" for a VLAN of one, delivers while somebody holds its table. */
  readonly tables = new Map<string, SimulatedBridgeTable>();

  constructor(ports: Readonly<Record<string, readonly string[]>>) {
    this.#ports = ports;
  }

  open(bridge: string, { vlan }: BridgeTableOptions = {}): BridgeTable {
    const ports = this.#ports[bridge];
    if (ports === undefined) throw new HalError("bridge.no-bridge", `${bridge} is no bridge`);
    const name = vlan === undefined ? bridge : `${bridge}.${vlan}`;
    const table = new SimulatedBridgeTable(ports, () => this.tables.delete(name));
    this.tables.set(name, table);
    return table;
  }
}

class SimulatedBridgeTable implements BridgeTable {
  readonly #ports: readonly string[];
  readonly #filters = new Map<string, SourceFilter>();
  readonly #closed: () => void;
  /** "port group": not the bridge's own to open. */
  readonly refused = new Set<string>();
  #routerPorts: readonly string[] = [];
  #others: readonly string[] = [];
  readonly #heard: string[] = [];

  constructor(ports: readonly string[], closed: () => void) {
    this.#ports = ports;
    this.#closed = closed;
  }

  set(port: string, group: Ipv4, filter: SourceFilter): void {
    const key = `${port} ${group}`;
    if (!wantsNothing(filter)) this.refused.delete(key);
    if (wantsNothing(filter) || !this.#ports.includes(port)) this.#filters.delete(key);
    else this.#filters.set(key, filter);
  }

  refuse(port: string, group: Ipv4): void {
    this.#filters.delete(`${port} ${group}`);
    this.refused.add(`${port} ${group}`);
  }

  routerPorts(routers: readonly string[], others: readonly string[]): void {
    this.#routerPorts = routers;
    this.#others = others;
  }

  routersFound(): readonly string[] {
    return [...this.#heard];
  }

  /** The bridge itself takes somebody behind the port for a router. */
  hearRouter(port: string): void {
    this.#heard.push(port);
  }

  /** The ports through which a packet of (source, group) leaves. */
  delivers(source: Ipv4, group: Ipv4): readonly string[] {
    return this.#ports.filter((port) => {
      const filter = this.#filters.get(`${port} ${group}`);
      const isHeard = this.#heard.includes(port) && !this.#others.includes(port);
      return isHeard || this.#routerPorts.includes(port) || (filter !== undefined && admits(filter, source));
    });
  }

  restore(): void {}

  confirm(): void {}

  counts(): Readonly<Record<string, number>> {
    return {};
  }

  close(): void {
    this.#filters.clear();
    this.#closed();
  }
}
