// What routers saw: who joined and left, kept beside the receptions. Applying a report twice changes nothing.
import { type UnixTime, unixTime } from "../base/time.ts";
import type { MembershipChange } from "../control/messages.ts";
import { type AnyQuery, type AnyRow, type Deciding, find, get, type Write } from "../ports/store.ts";
import type { MembershipRow } from "../ports/tables.ts";

export interface Evidence {
  readonly router: string;
  readonly sequence: number;
  readonly dropped: number;
  readonly changes: readonly MembershipChange[];
}

export interface EvidenceOutcome {
  readonly kind: "recorded";
}

/** Changes of one report may concern one host and group several times, so later ones see the rows of earlier ones. */
export function* decideEvidence(evidence: Evidence, now: UnixTime): Deciding<EvidenceOutcome> {
  const pending = new Map<string, MembershipRow | undefined>();
  const writes: Write[] = [];
  for (const change of evidence.changes) {
    const row = yield* rowAfter(evidence.router, change, pending);
    if (row === undefined) continue;
    writes.push({ put: "membership", row });
    pending.set(nameOf(change), row.until === undefined ? row : undefined);
  }
  const { router, sequence } = evidence;
  const last = yield* get("router_report", { router });
  const repeated = last?.sequence === sequence;
  const dropped = (last?.dropped ?? 0) + (repeated ? 0 : evidence.dropped);
  writes.push({ put: "router_report", row: { router, sequence, dropped, at: now } });
  return { outcome: { kind: "recorded" }, writes };
}

const nameOf = ({ interface: name, host, group }: MembershipChange): string => `${name} ${host} ${group}`;

/** The row that this change leaves; undefined when it tells nothing new. */
function* rowAfter(
  router: string,
  change: MembershipChange,
  pending: ReadonlyMap<string, MembershipRow | undefined>,
): Generator<AnyQuery, MembershipRow | undefined, readonly AnyRow[]> {
  const { interface: name, host, group, port, mac } = change;
  const key = { router, interface: name, host, group };
  const open = pending.has(nameOf(change))
    ? pending.get(nameOf(change))
    : (yield* find({
        table: "membership",
        equal: key,
        absent: "until",
        order: "since",
        descending: true,
        limit: 1,
      }))[0];
  const at = unixTime(change.at);
  const where = { ...(port === undefined ? {} : { port }), ...(mac === undefined ? {} : { mac }) };
  if (change.change !== "joined") {
    return open === undefined || open.since > at ? undefined : { ...open, ...where, until: at, cause: change.change };
  }
  if (open !== undefined) return isTold(open, where) ? undefined : { ...open, ...where };
  const same = yield* get("membership", { ...key, since: at });
  return same === undefined ? { ...key, since: at, ...where } : undefined;
}

const isTold = (row: MembershipRow, { port, mac }: { port?: string; mac?: string }): boolean =>
  (port === undefined || row.port === port) && (mac === undefined || row.mac === mac);
