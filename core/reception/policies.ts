// The policies that the operator gives to routers, and what the routers say of them. A router that has none of its own has the one for all.
import type { UnixTime } from "../base/time.ts";
import { POLICY_PART, type PolicyState } from "../control/messages.ts";
import { type AnyRow, type AnyRowQuery, type Deciding, find, get, type Write } from "../ports/store.ts";
import type { RouterPolicyRow, RouterPolicyStateRow } from "../ports/tables.ts";

/** Stands for all routers where a row has a router; no id is so. */
export const ALL_ROUTERS = "*";

/** No entry: the router's file decides. */
const EMPTY = "{}";

/** A policy in its one form: see the message "policy". */
export interface PolicyEdit {
  /** An id, or ALL_ROUTERS. */
  readonly router: string;
  /** Absent: taken back. */
  readonly policy?: string;
}

/** missing: no router is registered under this id, and nothing was written. */
export type PolicyEditOutcome =
  | { readonly kind: "done"; readonly revision: number }
  | { readonly kind: "missing"; readonly what: string };

/** The part that follows, or that there is nothing newer. */
export type PolicyRequestOutcome =
  | { readonly kind: "policy.unchanged" }
  | {
      readonly kind: "policy";
      readonly revision: number;
      readonly part: number;
      readonly parts: number;
      readonly text: string;
    };

/** What a router says that it has, and which part of a newer one it wants next. */
export interface PolicyRequest {
  readonly router: string;
  readonly state: PolicyState;
  readonly wants?: { readonly revision: number; readonly part: number } | undefined;
}

/** What holds for a router; `policy` absent: nothing, and revision 0 where nothing ever did. */
export interface GivenPolicy {
  readonly revision: number;
  readonly policy?: string | undefined;
  readonly from?: "own" | "all" | undefined;
}

type Reading<T> = Generator<AnyRowQuery, T, readonly AnyRow[]>;

/** A router that claims a higher revision than a calendar gives hinders nobody but itself. */
const CREDIBLE = 10 * 366 * 86_400_000;

/**
 * The revision is the calendar's, in milliseconds, and in any case above all that were given or are in force somewhere: it rises too where
 * the calendar has been set back, or the store replaced by an older copy.
 */
export function* decidePolicyEdit({ router, policy }: PolicyEdit, now: UnixTime): Deciding<PolicyEditOutcome> {
  if (router !== ALL_ROUTERS) {
    const service = yield* get("service", { id: router });
    if (service?.role !== "router" || service.status !== "active")
      return { outcome: { kind: "missing", what: router }, writes: [] };
  }
  const revision = Math.max(now, (yield* highestRevision(now)) + 1);
  const row: RouterPolicyRow = { router, revision, at: now, ...(policy === undefined ? {} : { policy }) };
  return { outcome: { kind: "done", revision }, writes: [{ put: "router_policy", row }] };
}

function* highestRevision(now: UnixTime): Reading<number> {
  const last = { order: "revision", descending: true, limit: 1 } as const;
  const [given] = yield* find({ table: "router_policy", ...last });
  const range = { column: "revision", before: now + CREDIBLE } as const;
  const [held] = yield* find({ table: "router_policy_state", range, ...last });
  return Math.max(given?.revision ?? 0, held?.revision ?? 0);
}

/** Keeps what the router says, and answers with what is newer. */
export function* decidePolicyRequest(request: PolicyRequest, now: UnixTime): Deciding<PolicyRequestOutcome> {
  const { router, state, wants } = request;
  const own = yield* get("router_policy", { router });
  const all = yield* get("router_policy", { router: ALL_ROUTERS });
  const writes: Write[] =
    wants === undefined ? [{ put: "router_policy_state", row: stateRow(router, state, now) }] : [];
  const { revision, policy = EMPTY } = givenBy(own, all);
  if (revision <= newestKnown(state)) return { outcome: { kind: "policy.unchanged" }, writes };
  const parts = Math.ceil(policy.length / POLICY_PART);
  const part = wants?.revision === revision && wants.part < parts ? wants.part : 0;
  const text = policy.slice(part * POLICY_PART, (part + 1) * POLICY_PART);
  return { outcome: { kind: "policy", revision, part, parts, text }, writes };
}

/** Its own if it has one; taken back, it leaves the one for all in its place, as something newer than itself. */
export function givenBy(own: RouterPolicyRow | undefined, all: RouterPolicyRow | undefined): GivenPolicy {
  if (own?.policy !== undefined) return { revision: own.revision, policy: own.policy, from: "own" };
  const revision = Math.max(own?.revision ?? 0, all?.revision ?? 0);
  return all?.policy === undefined ? { revision } : { revision, policy: all.policy, from: "all" };
}

/** The newest that the router has taken or refused. */
const newestKnown = ({ revision, refused }: PolicyState): number => Math.max(revision, refused?.revision ?? 0);

/** Sentences stand in one column, a line each. */
const lines = (sentences: readonly string[]): string => sentences.map((one) => one.replaceAll("\n", " ")).join("\n");

function stateRow(
  router: string,
  { revision, since, refused, remarks = [] }: PolicyState,
  at: UnixTime,
): RouterPolicyStateRow {
  return {
    router,
    revision,
    ...(since === undefined ? {} : { since }),
    ...(refused === undefined ? {} : { refused: refused.revision, faults: lines(refused.faults) }),
    ...(remarks.length === 0 ? {} : { remarks: lines(remarks) }),
    at,
  };
}
