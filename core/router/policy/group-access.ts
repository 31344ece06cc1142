// Which groups an interface may receive: prefixes that are allowed and prefixes that are denied.
import type { Ipv4 } from "../../base/ipv4.ts";

/** 239.255.0.0/16 is { group: 239.255.0.0, length: 16 }; the bits beyond the length do not count. */
export interface GroupPrefix {
  readonly group: Ipv4;
  /** 4 to 32. */
  readonly length: number;
}

/** Whether the prefix holds the group. */
export const covers = ({ group, length }: GroupPrefix, address: Ipv4): boolean =>
  length === 0 || group >>> (32 - length) === address >>> (32 - length);

/** A denied prefix wins; an empty list of allowed ones allows everything. */
export function mayReceive(group: Ipv4, allow: readonly GroupPrefix[], deny: readonly GroupPrefix[]): boolean {
  if (deny.some((prefix) => covers(prefix, group))) return false;
  return allow.length === 0 || allow.some((prefix) => covers(prefix, group));
}
