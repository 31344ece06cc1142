// What stands between a stream and a downstream, for an operator who asks why somebody sees nothing.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Instant } from "../base/time.ts";
import type { RuleName } from "../igmp/admission.ts";
import { wantsNothing } from "../igmp/filter.ts";
import type { QuerierState } from "../igmp/querier.ts";
import type { MulticastRoute } from "../ports/forwarding.ts";
import type { Downstream } from "./downstream.ts";
import type { Upstream } from "./upstream.ts";
import type { PaceStanding } from "./upstream-pace.ts";

/**
 * Why a stream does not leave on a downstream. foreign: its source may not send from
 * where it comes in. inbound: it comes in there. not-forwarder: another router serves the link. denied: the
 * group may not be received there. not-wanted: nobody there asks for this source. boundary: the upstream lets nothing of the group in.
 */
export type PathLack = "foreign" | "inbound" | "not-forwarder" | "denied" | "not-wanted" | "boundary";

/** One of the group's routes; `lack` is undefined where it leads to the downstream. */
export interface StreamPath<A extends Address = Ipv4> {
  readonly route: MulticastRoute<A>;
  readonly lack: PathLack | undefined;
}

/** Everything that decides whether a group reaches a downstream, as it is at one moment. */
export interface DeliveryPath<A extends Address = Ipv4> {
  /** Whether the downstream is there. */
  readonly isUp: boolean;
  readonly querier: QuerierState<A>;
  /** Whether we forward to it, whoever asks there. */
  readonly isForwarder: boolean;
  /** By this rule, for everybody there and whatever the source. */
  readonly deniedBy: RuleName | undefined;
  /** Whether it is always delivered there, whoever asks. */
  readonly isStatic: boolean;
  /** Streams of the group that came in and found no room among the routes. */
  readonly withoutRoom: readonly { readonly source: A; readonly inbound: string }[];
  /** The interface from which the group is expected; undefined: from the downstreams only. */
  readonly upstream:
    | {
        readonly name: string;
        readonly isUp: boolean;
        /** By the upstream's `allow` and `deny`. */
        readonly mayJoin: boolean;
        readonly standing: PaceStanding;
        /** Whether somebody asks General Queries there. */
        readonly isAsked: boolean;
      }
    | undefined;
  readonly streams: readonly StreamPath<A>[];
}

/** What the downstream itself says to it. */
export const downstreamPath = <A extends Address>(
  downstream: Downstream<A>,
  group: A,
): Pick<DeliveryPath<A>, "isUp" | "querier" | "isForwarder" | "isStatic"> => ({
  isUp: downstream.up,
  querier: downstream.machine.querier,
  isForwarder: downstream.isForwarder,
  isStatic: !wantsNothing(downstream.staticFilter(group)),
});

/** What the group's upstream says to it, if there is one. */
export const upstreamPath = <A extends Address>(
  now: Instant,
  upstream: Upstream<A> | undefined,
  group: A,
): DeliveryPath<A>["upstream"] =>
  upstream && {
    name: upstream.name,
    isUp: upstream.up,
    mayJoin: upstream.mayJoin(group),
    standing: upstream.pace.standing(group),
    isAsked: upstream.host.isAsked(now),
  };
