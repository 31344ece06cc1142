// Who may receive, asked before anything is kept of what a host says: no membership, no route, no join upstream without it.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Instant } from "../base/time.ts";
import type { TrackedHost } from "./host-shares.ts";
import type { HostStatement } from "./messages/host-statement.ts";

/**
 * denied: a rule says so. preview-over: the host has watched what its preview gives, now or today. previews-full: no room to count another
 * preview. The rest: the group does not fit in beside what the interface,
 * the port or the uplink carries.
 */
export type AdmissionDrop =
  | "policy.denied"
  | "policy.preview-over"
  | "policy.previews-full"
  | "policy.unpermitted"
  | "policy.no-word"
  | "policy.interface-bandwidth"
  | "policy.port-bandwidth"
  | "policy.uplink-bandwidth";

/** Who has said it: the router's own configuration, or control, whose word takes its place. */
export type RuleOrigin = "file" | "control";

/** A rule by its place among those of its origin, from 1, or by the list of an interface that stands for rules. */
export interface RuleName {
  readonly place: number | "allow" | "deny";
  readonly origin: RuleOrigin;
}

/** Why a host may not receive a group. */
export interface AdmissionRefusal {
  readonly reason: AdmissionDrop;
  /** The rule that decided; absent: none did. */
  readonly rule?: RuleName;
}

/** What becomes of a statement. Both: something is refused, and something holds all the same, such as the part that leaves. */
export interface Admitted<A extends Address = Ipv4> {
  /** What holds of it; undefined: nothing. */
  readonly statement?: HostStatement<A> | undefined;
  readonly refusal?: AdmissionRefusal | undefined;
}

/** The gate of one interface. */
export interface Admission<A extends Address = Ipv4> {
  /** Changes nothing: it is asked for packets and for frames. */
  judge(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): Admitted<A>;
  /** The statement, of a packet, is in force. */
  tookEffect(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): void;
}
