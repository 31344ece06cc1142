// An interface of this machine as the kernel's multicast options take it: by an address of its.
import { networkInterfaces } from "node:os";
import { type Ipv4, parseIpv4 } from "../../core/base/ipv4.ts";
import type { InterfaceChoice } from "../../core/ports/datagrams.ts";

/** The first address of an interface that is named, else the choice itself. Throws an error with code EADDRNOTAVAIL where it has none. */
export function chosenAddress(choice: InterfaceChoice): Ipv4 {
  if (typeof choice === "number") return choice;
  const own = networkInterfaces()[choice]?.find(({ family }) => family === "IPv4");
  const address = own === undefined ? undefined : parseIpv4(own.address);
  if (address === undefined) throw Object.assign(new Error(`${choice} has no IPv4 address`), { code: "EADDRNOTAVAIL" });
  return address;
}
