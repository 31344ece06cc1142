// How the broker stands towards a participant: there, away, or there and refusing him.
import type { Endpoint } from "./endpoint.ts";

/** `why` in words, as far as it is known. */
export type BrokerStanding =
  | { readonly kind: "connected" }
  | { readonly kind: "away"; readonly why?: string }
  | { readonly kind: "refused"; readonly why: string };

/** What the broker itself refuses: it is there, but not for us as we are. Every other fault counts as away. */
const REFUSALS: ReadonlySet<string> = new Set(["bus.credentials", "bus.version", "bus.certificate", "bus.refused"]);

/** An endpoint's standing now; before its first attempt has ended it is away without a reason. */
export function brokerStanding({ connected, fault }: Pick<Endpoint, "connected" | "fault">): BrokerStanding {
  if (connected) return { kind: "connected" };
  if (fault === undefined) return { kind: "away" };
  return { kind: REFUSALS.has(fault.code) ? "refused" : "away", why: fault.message };
}
