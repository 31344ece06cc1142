// What a router that handed over has still to do when nobody takes over in time: done by a process of its own, which the keeper starts.
import { readFileSync } from "node:fs";
import { fromHex, toHex } from "../../core/base/bytes.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { IgmpListener, IgmpSockets } from "../../core/ports/igmp-socket.ts";
import { removeLeftGuard } from "../../hal/enforcement/nft.ts";
import { PacketIgmpSockets } from "../../hal/igmp/packet.ts";

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
}

/** One line. */
export const farewellText = ({ leaves, isGuarded }: Farewell): string =>
  JSON.stringify({ leaves: leaves.map(({ name, packet }) => [name, toHex(packet)]), isGuarded });

/** Leaves the groups on the links that are there still, and takes the guard off. Rejects with HalError "igmp.native-missing". */
export async function runFarewell(): Promise<void> {
  const said = JSON.parse(readFileSync(0, "utf8")) as { leaves: [string, string][]; isGuarded: boolean };
  const sockets = await PacketIgmpSockets.load();
  for (const [name, hex] of said.leaves) send(sockets, { name, packet: fromHex(hex) ?? new Uint8Array() });
  if (said.isGuarded) await removeLeftGuard();
}

const NOBODY: IgmpListener = { packet() {}, failed() {} };

function send(sockets: IgmpSockets, { name, packet }: Leave): void {
  try {
    const socket = sockets.open(name, NOBODY);
    socket.send(packet);
    socket.close();
  } catch (error) {
    // The link is gone, and who asks there with it.
    if (!(error instanceof HalError)) throw error;
  }
}
