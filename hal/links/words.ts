// What a person is told of an interface that the configuration names and the machine does not have.
import { formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import type { InterfaceChoice } from "../../core/ports/datagrams.ts";
import type { Link, Links } from "../../core/ports/links.ts";

/** Interfaces that are listed; a router with a thousand VLANs has no use for all of them in one line. */
const LISTED = 32;

/** As the configuration has it: "eth0", "10.0.0.1". */
export const choiceText = (choice: InterfaceChoice): string =>
  typeof choice === "string" ? choice : formatIpv4(choice);

/** Why the interface cannot be used, and what to choose from; undefined when it is there, up and has an IPv4 address. */
export const lackOf = (name: string, links: Links): string | undefined =>
  nameLack(name, links.get(name), () => links.list());

/** Why an interface that is chosen by name or by address is away, and which there are among these links. */
export function choiceLack(choice: InterfaceChoice, links: readonly Link[]): string {
  if (typeof choice === "number") return addressLack(choice, links);
  const link = links.find(({ name }) => name === choice);
  return nameLack(choice, link, () => links) ?? `interface ${choice} was away and has just come`;
}

function nameLack(name: string, link: Link | undefined, all: () => readonly Link[]): string | undefined {
  if (link === undefined) {
    const names = all().map((one) => one.name);
    const meant = nearest(name, names);
    const guess = meant === undefined ? "" : ` (is ${meant} meant?)`;
    return `interface ${name} does not exist; there are ${listed(names)}${guess}`;
  }
  if (!link.up) return `interface ${name} is down`;
  return link.addresses.length > 0 ? undefined : `interface ${name} has no IPv4 address`;
}

function addressLack(address: Ipv4, links: readonly Link[]): string {
  const there = links.flatMap((link) => link.addresses.map((own) => `${formatIpv4(own.address)} (${link.name})`));
  return `no interface has the address ${formatIpv4(address)}; there are ${listed(there)}`;
}

function listed(what: readonly string[]): string {
  if (what.length === 0) return "none";
  const more = what.length > LISTED ? ` and ${what.length - LISTED} more` : "";
  return what.slice(0, LISTED).join(", ") + more;
}

/** The name that at most two slips of the hand make of this one, but not of a name of two letters. */
function nearest(name: string, names: readonly string[]): string | undefined {
  const slips = names.map((other) => ({ other, distance: editDistance(name, other) }));
  const [best] = slips.sort((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= Math.min(2, name.length - 2) ? best.other : undefined;
}

/** Letters to insert, remove or change, and neighbours to swap (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const cost = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const changed = cost(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? cost(i - 2, j - 2) + 1 : changed;
      rows[i]?.push(Math.min(cost(i - 1, j) + 1, cost(i, j - 1) + 1, changed, swapped));
    }
  }
  return cost(a.length, b.length);
}
