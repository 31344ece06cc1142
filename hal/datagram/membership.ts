// What two memberships have in common, for the drivers that keep lists of them.
import type { Membership } from "../../core/ports/datagrams.ts";

/** The same group from the same sources (any, or one) through the same interface address. */
export const sameMembership = (a: Membership, b: Membership): boolean =>
  a.group === b.group && a.source === b.source && a.interfaceAddress === b.interfaceAddress;
