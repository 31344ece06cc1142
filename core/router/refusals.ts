// Which hosts were refused what, how often and when last: the most recent only, as anybody may invent hosts.

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
    if (this.#refusals.size > MOST) this.#refusals.delete(this.#refusals.keys().next().value ?? "");
  }

  /** The most recent first. */
  recent(): readonly Refusal<A>[] {
    return [...this.#refusals.values()].reverse();
  }
}
