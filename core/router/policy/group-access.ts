// Which groups an interface may receive: prefixes that are allowed and prefixes that are denied.
import type { Address, GroupRange } from "../../base/address.ts";
import type { Ipv4 } from "../../base/ipv4.ts";
import { inSubnet } from "../../base/subnet.ts";

/** 239.255.0.0/16 is { group: 239.255.0.0, length: 16 }; the bits beyond the length do not count. */
export type GroupPrefix<A extends Address = Ipv4> = GroupRange<A>;

/** Whether the prefix holds the group. */
export const covers = <A extends Address>({ group, length }: GroupPrefix<A>, address: A): boolean =>
  inSubnet({ address: group, prefixLength: length }, address);

/** A denied prefix wins; an empty list of allowed ones allows everything. */
export function mayReceive<A extends Address>(
  group: A,
  allow: readonly GroupPrefix<A>[],
  deny: readonly GroupPrefix<A>[],
): boolean {
  if (deny.some((prefix) => covers(prefix, group))) return false;
  return allow.length === 0 || allow.some((prefix) => covers(prefix, group));
}
