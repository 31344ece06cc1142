// Which hosts were refused what, how often and when last. Anybody may invent hosts, so only some are remembered: the most recent, and of
// what is refused for one reason behind one port no more than leaves the rest its place.

import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Instant } from "../base/time.ts";
import type { RuleName } from "../igmp/admission.ts";
import type { TrackedHost } from "../igmp/host-shares.ts";
import type { RouterDrop } from "./options.ts";

/** One host that was refused one thing, and one group where it is the policy's doing, on one interface. */
export interface Refusal<A extends Address = Ipv4> {
  readonly name: string;
  readonly reason: RouterDrop;
  /** As it was the last time; with a MAC, all its addresses are one host. */
  readonly host: TrackedHost<A>;
  /** The group, and the rule that decided, where the policy refused it. */
  readonly group?: A | undefined;
  readonly rule?: RuleName | undefined;
  readonly times: number;
  readonly last: Instant;
}

/** How many are remembered. */
const MOST = 64;

/** The refusals of one router, for status. */
export class Refusals<A extends Address = Ipv4> {
  /** The one that happened longest ago is first. */
  readonly #refusals = new Map<string, Refusal<A>>();

  /** Notes one more. */
  note(now: Instant, { name, reason, host, group, rule }: Omit<Refusal<A>, "times" | "last">): void {
    const key = `${name}|${reason}|${host.port}|${host.mac === "" ? host.address : host.mac}|${group ?? ""}`;
    const times = (this.#refusals.get(key)?.times ?? 0) + 1;
    this.#refusals.delete(key);
    this.#refusals.set(key, { name, reason, host, group, rule, times, last: now });
    if (this.#refusals.size > MOST) this.#refusals.delete(this.#oldestOfMost() ?? "");
  }

  /** Of the interface, reason and port that most are of, what happened longest ago. */
  #oldestOfMost(): string | undefined {
    const kinds = new Map<string, { readonly oldest: string; count: number }>();
    for (const [key, { name, reason, host }] of this.#refusals) {
      const kind = `${name}|${reason}|${host.port}`;
      const known = kinds.get(kind);
      if (known === undefined) kinds.set(kind, { oldest: key, count: 1 });
      else known.count++;
    }
    const [most] = [...kinds.values()].sort((a, b) => b.count - a.count);
    return most?.oldest;
  }

  /** The most recent first. */
  recent(): readonly Refusal<A>[] {
    return [...this.#refusals.values()].reverse();
  }
}
