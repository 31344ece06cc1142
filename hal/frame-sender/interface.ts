// What both drivers ask of an interface before they touch it.
import { readFileSync } from "node:fs";
import { HalError } from "../../core/ports/errors.ts";
import { interfaceIndex } from "../socket-options.ts";

const IFF_UP = 1;
/** ARPHRD_ETHER and ARPHRD_LOOPBACK, whose frames have an Ethernet header too. */
const WITH_ETHERNET_HEADER: ReadonlySet<number> = new Set([1, 772]);

/** The kernel's number of an interface that is up and carries Ethernet frames; throws HalError "sender.no-interface" or "sender.link-type". */
export function ethernetInterface(name: string): number {
  const index = interfaceIndex(name);
  if (index === undefined || (attribute(name, "flags") & IFF_UP) === 0)
    throw new HalError("sender.no-interface", `${name} is not there, or down`, { needs: `${name} to be up` });
  if (!WITH_ETHERNET_HEADER.has(attribute(name, "type")))
    throw new HalError("sender.link-type", `${name} carries no Ethernet frames`, { needs: "an Ethernet interface" });
  return index;
}

function attribute(name: string, what: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/${what}`, "latin1"));
  } catch {
    return 0;
  }
}
