// What a router that handed over has still to do when nobody takes over in time: done by a process of its own, which the keeper starts.
import { readFileSync } from "node:fs";
import { fromHex, toHex } from "../../core/base/bytes.ts";
import type { BridgeTable } from "../../core/ports/bridge-table.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { IgmpListener, IgmpSockets } from "../../core/ports/igmp-socket.ts";
import { LinuxBridgeTables } from "../../hal/bridge/linux.ts";
import { BridgeSettings } from "../../hal/bridge/settings.ts";
import { removeLeftGuard } from "../../hal/enforcement/nft.ts";
import { findKeepers } from "../../hal/forwarding/keeper.ts";
import { PacketIgmpSockets } from "../../hal/igmp/packet.ts";
import { removeLeftFilter } from "../../hal/report-filter/nft.ts";
import type { TablePlace } from "./bridge-ports.ts";

/** The first argument by which the bundle knows that it is to do this, with the text on standard input. */
export const FAREWELL_ARGUMENT = "__farewell";

/** A whole IPv4 packet that leaves groups, and where. */
export interface Leave {
  readonly name: string;
  readonly packet: Uint8Array;
}

/** All of it. */
export interface Farewell {
  readonly leaves: readonly Leave[];
  /** Bridge ports are guarded. */
  readonly isGuarded: boolean;
  /** Hosts' reports are kept within bridges. */
  readonly isProxied: boolean;
  /** Which have entries of ours. */
  readonly tables: readonly TablePlace[];
  /** The file that knows how the bridges were found. */
  readonly found: string | undefined;
}

/** One line. */
export const farewellText = ({ leaves, ...rest }: Farewell): string =>
  JSON.stringify({ leaves: leaves.map(({ name, packet }) => [name, toHex(packet)]), ...rest });

/** On the links and bridges that are there still, and not beside a router that has come meanwhile: it goes on with them. Rejects with HalError "igmp.native-missing" or "bridge.native-missing". */
export async function runFarewell(): Promise<void> {
  const said = JSON.parse(readFileSync(0, "utf8")) as Omit<Farewell, "leaves"> & { leaves: [string, string][] };
  if (findKeepers().some(({ router }) => router !== undefined)) return;
  const sockets = await PacketIgmpSockets.load();
  for (const [name, hex] of said.leaves)
    ifThere(() => send(sockets, { name, packet: fromHex(hex) ?? new Uint8Array() }));
  const settings = new BridgeSettings(said.found === undefined ? {} : { file: said.found });
  const tables = await LinuxBridgeTables.load(settings);
  // The last one of a bridge gives it back.
  const opened: BridgeTable[] = [];
  for (const { bridge, vlan } of said.tables) ifThere(() => opened.push(tables.open(bridge, { vlan })));
  for (const table of opened) table.close();
  settings.restoreAll();
  if (said.isGuarded) await removeLeftGuard();
  if (said.isProxied) await removeLeftFilter();
}

const NOBODY: IgmpListener = { packet() {}, failed() {} };

function send(sockets: IgmpSockets, { name, packet }: Leave): void {
  const socket = sockets.open(name, NOBODY);
  socket.send(packet);
  socket.close();
}

/** What is gone needs no farewell. */
function ifThere(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
  }
}
