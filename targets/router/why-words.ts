// What the answers of `status --why` are, and the words that they share.
import type { Ipv4 } from "../../core/base/ipv4.ts";
import type { Instant } from "../../core/base/time.ts";
import type { RuleName } from "../../core/igmp/admission.ts";
import type { TrackedHost } from "../../core/igmp/host-shares.ts";
import type { HostMembership } from "../../core/igmp/host-table.ts";
import type { RouterInterface } from "../../core/igmp/router-interface.ts";
import type { EndedMembership } from "../../core/router/ended-memberships.ts";
import type { Refusal } from "../../core/router/refusals.ts";
import { hostStatus, type StatusParts, secondsSince } from "./status-of.ts";
import { whereText } from "./warnings.ts";

/** What stands in the way; docs/status.md says what to do about each. */
export type Verdict =
  | "delivered"
  | "not-joined"
  | "no-query"
  | "left"
  | "timed-out"
  | "refused"
  | "denied"
  | "interface-down"
  | "lost-election"
  | "not-routed"
  | "upstream-not-asked"
  | "no-upstream-packets"
  | "source-not-wanted"
  | "inbound"
  | "foreign-source"
  | "no-room"
  | "entry-missing";

/** The answer: `sentences` for a person, the first of which is the answer itself. */
export interface WhyAnswer {
  readonly delivered: boolean;
  readonly verdict: Verdict;
  /** The downstream where the host is; undefined: nobody knows. */
  readonly interface?: string | undefined;
  readonly sentences: readonly string[];
}

/** Who is meant, in one of three ways. */
export type Named =
  | { readonly by: "address"; readonly address: Ipv4 }
  | { readonly by: "mac"; readonly mac: string }
  | { readonly by: "port"; readonly port: string };

/** What is asked; `text` is the host as it was typed. */
export interface Question {
  readonly group: Ipv4;
  readonly host: Named;
  readonly text: string;
}

/** Where the host is, and what is known of it and the group there; the first that is known. */
export type Standing =
  | { readonly kind: "member"; readonly name: string; readonly membership: HostMembership }
  | { readonly kind: "refused"; readonly name: string; readonly refusal: Refusal }
  | { readonly kind: "ended"; readonly name: string; readonly ended: EndedMembership }
  | { readonly kind: "elsewhere"; readonly name: string; readonly memberships: readonly HostMembership[] }
  | { readonly kind: "unheard"; readonly name: string }
  | { readonly kind: "unknown" };

/** That the group does not reach the host. */
export const no = (verdict: Verdict, name: string | undefined, ...sentences: readonly string[]): WhyAnswer => ({
  delivered: false,
  verdict,
  interface: name,
  sentences,
});

/** That the interface itself is away. */
export const down = (name: string): WhyAnswer =>
  no("interface-down", name, `${name} is not in use: it is down, gone or without an address, and is waited for.`);

/** A rule by its number, or the list of the interface, and whose word it is. */
export function ruleName({ place, origin }: RuleName): string {
  const whose = origin === "file" ? "the file's" : "control's";
  return typeof place === "number" ? `rule ${place} of ${whose} \`rules\`` : `the interface's \`${place}\` (${whose})`;
}

/** "10.2.0.11 (02:00:00:00:00:01, port lan1)". */
export function whoText(parts: StatusParts, name: string, host: TrackedHost): string {
  const { host: address, ...where } = hostStatus(parts, name, host);
  return `${address}${whereText(where)}`;
}

/** "12 s ago", or "never". */
export function ago({ clock }: StatusParts, moment: Instant | undefined): string {
  if (moment === undefined) return "never";
  return `${secondsSince(clock, moment)} s ago`;
}

/** "2026-01-31T18:00:00Z, 12 s ago". */
export const timeText = (parts: StatusParts, moment: Instant): string =>
  `${new Date(parts.clock.unix(moment)).toISOString().replace(/\.\d+/, "")}, ${ago(parts, moment)}`;

/** Throws RangeError for an interface that is no downstream. */
export function machineOf({ router }: StatusParts, name: string): RouterInterface {
  const machine = new Map(router.interfaces()).get(name);
  if (machine === undefined) throw new RangeError(`no downstream ${name}`);
  return machine;
}
