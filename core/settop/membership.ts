// The membership of one viewing: joined with it, joined again when that failed, left a while after a denial.
import { after, type Duration, earliest, type Instant, seconds } from "../base/time.ts";
import type { Channel, SettopEffect } from "./events.ts";

export type MembershipState =
  | { readonly kind: "joining" }
  | { readonly kind: "joined" }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "left" };

const REJOIN_WAIT = seconds(2);

export class Membership {
  readonly #channel: Channel;
  #state: MembershipState = { kind: "joining" };
  #rejoinAt: Instant | undefined;
  #leaveAt: Instant | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  get state(): MembershipState {
    return this.#state;
  }

  /** 71. */
  begin(): SettopEffect[] {
    return [{ kind: "join", channel: this.#channel }];
  }

  /** 81. */
  end(): SettopEffect[] {
    return this.#state.kind === "left" ? [] : [{ kind: "leave", channel: this.#channel }];
  }

  joined(): void {
    if (this.#state.kind === "joining") this.#state = { kind: "joined" };
  }

  failed(now: Instant, why: string): SettopEffect[] {
    if (this.#state.kind === "left") return [];
    this.#state = { kind: "failed", why };
    this.#rejoinAt = after(now, REJOIN_WAIT);
    return [{ kind: "note", note: "join-failed", channel: this.#channel.id, text: why }];
  }

  /** Denied: the link shall carry nothing useless. Further denials do not put it off. */
  leaveAfter(now: Instant, linger: Duration): void {
    if (this.#state.kind !== "left") this.#leaveAt ??= after(now, linger);
  }

  /** Permitted: a group that was left is joined again, one that is about to be is kept. */
  keep(): SettopEffect[] {
    this.#leaveAt = undefined;
    if (this.#state.kind !== "left") return [];
    this.#state = { kind: "joining" };
    return this.begin();
  }

  due(now: Instant): SettopEffect[] {
    if (this.#leaveAt !== undefined && this.#leaveAt <= now) {
      this.#leaveAt = undefined;
      this.#rejoinAt = undefined;
      this.#state = { kind: "left" };
      return [{ kind: "leave", channel: this.#channel }];
    }
    if (this.#rejoinAt === undefined || this.#rejoinAt > now) return [];
    this.#rejoinAt = undefined;
    this.#state = { kind: "joining" };
    return this.begin();
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#rejoinAt, this.#leaveAt]);
  }
}
