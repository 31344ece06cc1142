// Whose queries count on an interface: only then may they win the election or lower a timer (RFC 3376 6.6.1, 6.6.2).
import type { Address, AddressFamily } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { inSubnet, type Subnet } from "../base/subnet.ts";
import type { TrackedHost } from "./host-shares.ts";
import type { Query } from "./messages/query.ts";

/**
 * query-unicast: not sent to a group, or to one in a frame to our card alone; query-destination: to another group than the hosts that
 * it asks listen to. Either way they have not heard it. query-ttl: it may have come from beyond this link.
 * query-off-subnet: its sender is none of this link's. query-not-allowed, query-port: not one of those that may ask here.
 */
export type QueryRefusal =
  | "igmp.query-unicast"
  | "igmp.query-destination"
  | "igmp.query-ttl"
  | "igmp.query-off-subnet"
  | "igmp.query-not-allowed"
  | "igmp.query-port";

/** What is known of the link, and who may ask there. */
export interface QueryGuard<A extends Address = Ipv4> {
  /** The interface's own addresses; undefined where nobody knows their prefixes, so that no sender is off-subnet. */
  readonly subnets: readonly Subnet<A>[] | undefined;
  /** Who may ask; undefined: everybody on the link. */
  readonly queriers: readonly Subnet<A>[] | undefined;
  /** Bridge ports behind which somebody may ask; undefined: all. */
  readonly ports: readonly string[] | undefined;
}

/** A query as it came in. */
export interface HeardQuery<A extends Address = Ipv4> {
  readonly from: TrackedHost<A>;
  /** Where its packet was sent, and the hops that it had left. */
  readonly to: A;
  readonly hops: number;
  readonly query: Query<A>;
  /** Its frame was for our card alone. */
  readonly unicast: boolean;
}

/** Why a query does not count; undefined when it does. */
export function refuseQuery<A extends Address>(
  { from, to, hops, query, unicast }: HeardQuery<A>,
  guard: QueryGuard<A>,
  family: AddressFamily<A>,
): QueryRefusal | undefined {
  if (unicast || !family.isMulticast(to)) return "igmp.query-unicast";
  if (to !== audienceOf(query, family)) return "igmp.query-destination";
  // RFC 3376 section 4: every IGMP message has a TTL of 1, and a router between would have taken that.
  if (hops !== 1) return "igmp.query-ttl";
  if (isOffSubnet(from.address, guard, family.bits)) return "igmp.query-off-subnet";
  if (guard.queriers?.some((subnet) => inSubnet(subnet, from.address)) === false) return "igmp.query-not-allowed";
  return guard.ports?.includes(from.port) === false ? "igmp.query-port" : undefined;
}

/** 4.1.12: where those listen whom it asks. A v1 query asks everybody, whatever its group field says (RFC 1112). */
const audienceOf = <A extends Address>({ version, group }: Query<A>, family: AddressFamily<A>): A =>
  version === 1 || group === family.unspecified ? family.allNodes : group;

/** A point-to-point link has addresses without a subnet: there, only who is named may ask. */
function isOffSubnet<A extends Address>(address: A, { subnets, queriers }: QueryGuard<A>, bits: number): boolean {
  if (subnets === undefined) return false;
  const networks = subnets.filter(({ prefixLength }) => prefixLength < bits);
  if (networks.length === 0) return queriers === undefined;
  return !networks.some((subnet) => inSubnet(subnet, address));
}
