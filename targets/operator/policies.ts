// What the operator gives to routers in place of entries of their files, and what has become of it.
import { setImmediate as nextTurn } from "node:timers/promises";
import { pages, type Store } from "../../core/ports/store.ts";
import type { RouterPolicyRow, RouterPolicyStateRow } from "../../core/ports/tables.ts";
import { ALL_ROUTERS, type GivenPolicy, givenBy } from "../../core/reception/policies.ts";
import type { RouterBehind } from "../../core/reception/policy-calls.ts";
import { policyText, readPolicy } from "../router/policy.ts";
import { CommandRefused } from "../shared/admin.ts";
import type { Fault } from "../shared/config.ts";
import { isoTime, type Listed } from "./listing.ts";

/** A router, what it is to have, and what it said last that it has. */
interface PolicyStanding {
  readonly router: string;
  readonly given: GivenPolicy;
  readonly state: RouterPolicyStateRow | undefined;
}

/** Routers that are looked up in one turn of the event loop. */
const AT_ONCE = 100;

/** Of each router that is registered. */
async function* standings(store: Store): AsyncGenerator<PolicyStanding> {
  const all = await givenRow(store, ALL_ROUTERS);
  for await (const page of pages(store, { table: "service", equal: { role: "router", status: "active" } }, AT_ONCE)) {
    for (const { id: router } of page) {
      const [state] = await store.read({ table: "router_policy_state", equal: { router }, limit: 1 });
      yield { router, given: givenBy(await givenRow(store, router), all), state };
    }
    await nextTurn();
  }
}

async function givenRow(store: Store, router: string): Promise<RouterPolicyRow | undefined> {
  return (await store.read({ table: "router_policy", equal: { router }, limit: 1 }))[0];
}

/** Those that have not the newest, as far as they have told. */
export async function routersBehind(store: Store): Promise<readonly RouterBehind[]> {
  const behind: RouterBehind[] = [];
  for await (const { router, given, state } of standings(store))
    if (given.revision > Math.max(state?.revision ?? 0, state?.refused ?? 0))
      behind.push({ router, revision: given.revision });
  return behind;
}

/** The routers that have one of their own, which the one for all does not reach. */
export async function routersWithOwn(store: Store): Promise<readonly string[]> {
  const own: string[] = [];
  for await (const { router, given } of standings(store)) if (given.from === "own") own.push(router);
  return own;
}

/** For the operator's list. */
export async function* listPolicies(store: Store): AsyncGenerator<Listed> {
  for await (const standing of standings(store)) {
    const { router, given, state } = standing;
    yield {
      router,
      policy: given.from,
      revision: given.revision === 0 ? undefined : given.revision,
      state: stateOf(standing),
      inForce: state === undefined || state.revision === 0 ? undefined : state.revision,
      since: state?.since === undefined ? undefined : isoTime(state.since),
      told: state && isoTime(state.at),
      faults: linesOf(state?.faults),
      remarks: linesOf(state?.remarks),
    };
  }
}

const linesOf = (text: string | undefined): readonly string[] | undefined => text?.split("\n");

/** newer: it has one that this store knows nothing of, as after a restored backup; `set` and `clear` go beyond it. */
function stateOf({ given, state }: PolicyStanding): string {
  if (state === undefined) return given.revision === 0 ? "none" : "not heard of";
  if (state.refused === given.revision) return "refused";
  if (state.revision === given.revision) return given.revision === 0 ? "none" : "in force";
  return state.revision > given.revision ? "newer" : "not yet";
}

/** The policy of a router, or of all, as JSON says it. Refuses where there is none. */
export async function policyOf(store: Store, router: string): Promise<GivenPolicy & { readonly policy: string }> {
  const own = router === ALL_ROUTERS ? undefined : await givenRow(store, router);
  const given = givenBy(own, await givenRow(store, ALL_ROUTERS));
  if (given.policy !== undefined) return { ...given, policy: given.policy };
  throw new CommandRefused(
    router === ALL_ROUTERS
      ? "there is no policy for all routers"
      : `${router} has no policy, and there is none for all`,
  );
}

/** The JSON of a policy in its one form. Refuses with every fault and its path. */
export function checkedPolicy(text: string): string {
  const checked = readPolicy(text);
  if (!checked.ok) throw refusal(checked.faults);
  const plain = policyText(text);
  if (typeof plain !== "string") throw refusal([plain]);
  return plain;
}

const MOST_SHOWN = 100;

function refusal(faults: readonly Fault[]): CommandRefused {
  const shown = faults.slice(0, MOST_SHOWN).map(({ path, message }) => `  ${path}: ${message}`);
  const more = faults.length > MOST_SHOWN ? [`  and ${faults.length - MOST_SHOWN} more`] : [];
  const head = `the policy has ${faults.length} fault${faults.length === 1 ? "" : "s"}:`;
  return new CommandRefused([head, ...shown, ...more].join("\n"));
}
