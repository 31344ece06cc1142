// Behind which port of a bridge a card is, as the bridge has learnt it (/sys/class/net/BRIDGE/brforward, linux/if_bridge.h).
import { readdirSync, readFileSync } from "node:fs";
import { formatMac } from "../../core/base/ethernet.ts";

const FOLDER = "/sys/class/net";
// struct __fdb_entry
const ENTRY = 16;
const PORT = 6;
const IS_LOCAL = 7;
const PORT_HIGH = 12;

/** undefined when `bridge` is none, or has not learnt the card. @param mac "02:00:00:00:00:01" */
export function bridgePortOf(bridge: string, mac: string, folder = FOLDER): string | undefined {
  const root = `${folder}/${bridge}`;
  try {
    const number = portNumberOf(readFileSync(`${root}/brforward`), mac);
    if (number === undefined) return undefined;
    return readdirSync(`${root}/brif`).find(
      (port) => Number(readFileSync(`${root}/brif/${port}/port_no`, "latin1")) === number,
    );
  } catch {
    // No bridge, or it goes as we look.
    return undefined;
  }
}

function portNumberOf(table: Uint8Array, mac: string): number | undefined {
  for (let at = 0; at + ENTRY <= table.length; at += ENTRY)
    if (table[at + IS_LOCAL] === 0 && formatMac(table, at) === mac)
      return (table[at + PORT] ?? 0) | ((table[at + PORT_HIGH] ?? 0) << 8);
  return undefined;
}
