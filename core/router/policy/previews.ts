// How much each host has seen of the groups that it may only preview: what it watched of this one, and how many there were today.
import type { Address } from "../../base/address.ts";
import { DeadlineHeap, type Scheduled } from "../../base/deadline-heap.ts";
import type { Ipv4 } from "../../base/ipv4.ts";
import { after, between, type Duration, type Instant, milliseconds, seconds } from "../../base/time.ts";
import type { RuleName } from "../../igmp/admission.ts";
import { hasRoom, type TrackedHost } from "../../igmp/host-shares.ts";
import type { PreviewTerms } from "./rules.ts";

/** A watch in progress, or one that was ended because its time is over. */
export interface PreviewEnd<A extends Address = Ipv4> {
  readonly name: string;
  readonly host: TrackedHost<A>;
  readonly group: A;
  readonly rule: RuleName;
}

/** What a preview is of, and by which rule. */
export interface PreviewWish<A extends Address = Ipv4> extends PreviewEnd<A> {
  readonly terms: PreviewTerms;
}

interface Account<A extends Address = Ipv4> extends Scheduled {
  readonly key: string;
  readonly owner: string;
  /** Set while the host watches. */
  watching: { readonly wish: PreviewWish<A>; readonly since: Instant } | undefined;
  /** Of the preview that began last. */
  used: Duration;
  /** Since `firstAt`. */
  previews: number;
  firstAt: Instant;
  /** Before, no other begins; undefined while the last is not used up. */
  nextFrom: Instant | undefined;
}

const DAY: Duration = seconds(86_400);

/** Host and group pairs of one router. */
const MOST = 65_536;

/**
 * The accounts of one router, each for a host (by its MAC, else its address) and a group: on another port or interface it is the same
 * host. One is forgotten a day after its first preview. Bounded: the last room is kept for hosts that have few.
 */
export class Previews<A extends Address = Ipv4> {
  readonly #accounts = new Map<string, Account<A>>();
  readonly #held = new Map<string, number>();
  readonly #ends = new DeadlineHeap<Account<A>>();
  readonly #limit: number;

  constructor(limit = MOST) {
    this.#limit = limit;
  }

  /** Host and group pairs that are remembered. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Why the host may not watch now; undefined when it may. */
  refuse(
    now: Instant,
    { host, group, terms }: PreviewWish<A>,
  ): "policy.preview-over" | "policy.previews-full" | undefined {
    const account = this.#accounts.get(keyOf(host, group));
    if (account === undefined || isForgotten(now, account)) return this.#lacksRoom(now, host, account);
    if (account.watching !== undefined) return undefined;
    return left(now, account, terms) > 0 || mayBegin(now, account, terms) ? undefined : "policy.preview-over";
  }

  /** The host watches from now on, if it did not already. */
  begin(now: Instant, wish: PreviewWish<A>): void {
    const account = this.#account(now, wish);
    if (account.watching !== undefined) return;
    if (left(now, account, wish.terms) === 0) {
      account.used = milliseconds(0);
      account.nextFrom = undefined;
      account.previews++;
    }
    account.watching = { wish, since: now };
    this.#ends.schedule(account, after(now, left(now, account, wish.terms)));
  }

  /** The host has left the group, for whatever reason. */
  stop(now: Instant, host: TrackedHost<A>, group: A): void {
    const account = this.#accounts.get(keyOf(host, group));
    if (account?.watching === undefined) return;
    const { wish, since } = account.watching;
    this.#settle(now, account, wish.terms, account.used + between(since, now));
  }

  /** Previews that are over now; whoever calls ends them. */
  poll(now: Instant): readonly PreviewEnd<A>[] {
    const ended: PreviewEnd<A>[] = [];
    for (let due = this.#ends.takeDue(now); due !== undefined; due = this.#ends.takeDue(now)) {
      const { watching } = due;
      if (watching === undefined) this.#forget(due);
      else {
        this.#settle(now, due, watching.wish.terms, watching.wish.terms.watch);
        ended.push(watching.wish);
      }
    }
    return ended;
  }

  nextDeadline(): Instant | undefined {
    return this.#ends.next();
  }

  #settle(now: Instant, account: Account<A>, terms: PreviewTerms, used: number): void {
    account.watching = undefined;
    account.used = milliseconds(Math.min(terms.watch, used));
    if (left(now, account, terms) === 0) account.nextFrom ??= after(now, terms.pause);
    this.#ends.schedule(account, after(account.firstAt, DAY));
  }

  #account(now: Instant, { host, group }: PreviewWish<A>): Account<A> {
    const key = keyOf(host, group);
    const known = this.#accounts.get(key);
    if (known !== undefined && !isForgotten(now, known)) return known;
    if (known !== undefined) this.#forget(known);
    const owner = ownerOf(host);
    const account: Account<A> = {
      due: undefined,
      place: -1,
      key,
      owner,
      watching: undefined,
      used: milliseconds(0),
      previews: 1,
      firstAt: now,
      nextFrom: undefined,
    };
    this.#accounts.set(key, account);
    this.#held.set(owner, (this.#held.get(owner) ?? 0) + 1);
    return account;
  }

  #lacksRoom(now: Instant, host: TrackedHost<A>, account: Account<A> | undefined): "policy.previews-full" | undefined {
    if (account !== undefined) return undefined;
    const due = this.#ends.next();
    const free = this.#limit - this.#accounts.size + (due !== undefined && due <= now ? 1 : 0);
    const room = { free, total: this.#limit };
    return hasRoom(this.#held.get(ownerOf(host)) ?? 0, room) ? undefined : "policy.previews-full";
  }

  #forget(account: Account<A>): void {
    this.#accounts.delete(account.key);
    this.#ends.schedule(account, undefined);
    const held = (this.#held.get(account.owner) ?? 0) - 1;
    if (held > 0) this.#held.set(account.owner, held);
    else this.#held.delete(account.owner);
  }
}

const ownerOf = <A extends Address>({ mac, address }: TrackedHost<A>): string => (mac === "" ? String(address) : mac);

const keyOf = <A extends Address>(host: TrackedHost<A>, group: A): string => `${ownerOf(host)}|${group}`;

/** A day after its first preview, unless one is going on. */
const isForgotten = <A extends Address>(now: Instant, { firstAt, watching }: Account<A>): boolean =>
  watching === undefined && after(firstAt, DAY) <= now;

/** What is left of the preview that began last, in whole milliseconds. */
const left = <A extends Address>(now: Instant, { used, watching }: Account<A>, { watch }: PreviewTerms): Duration =>
  milliseconds(Math.max(0, Math.floor(watch - used - (watching === undefined ? 0 : between(watching.since, now)))));

const mayBegin = <A extends Address>(
  now: Instant,
  { previews, nextFrom }: Account<A>,
  { perDay }: PreviewTerms,
): boolean => previews < perDay && nextFrom !== undefined && nextFrom <= now;
