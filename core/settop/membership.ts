// Whether a viewing is a member of its channel's group: joined with it, joined again when that failed, left a while after a denial.
import { after, type Duration, earliest, type Instant, seconds } from "../base/time.ts";
import type { Channel, SettopEffect } from "./events.ts";

/** For status. `why` is for a person. */
export type MembershipState =
  | { readonly kind: "joining" }
  | { readonly kind: "joined" }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "left" };

type State =
  | Exclude<MembershipState, { kind: "failed" }>
  | { readonly kind: "failed"; readonly why: string; readonly rejoinAt: Instant };

const REJOIN_WAIT = seconds(2);

/** Asks for joins (71) and leaves (81) by effects; `joined` and `failed` say what became of them. */
export class GroupMembership {
  readonly #channel: Channel;
  #state: State = { kind: "joining" };
  /** The failure that was noted last: what fails for hours is noted once. */
  #noted: string | undefined;
  /** Of a viewing that was denied; undefined once it has left. */
  #leaveAt: Instant | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** As it is shown. */
  get state(): MembershipState {
    return this.#state.kind === "failed" ? { kind: "failed", why: this.#state.why } : this.#state;
  }

  /** 71. */
  begin(): SettopEffect[] {
    return [{ kind: "join", channel: this.#channel }];
  }

  /** 81. */
  end(): SettopEffect[] {
    return this.#state.kind === "left" ? [] : [{ kind: "leave", channel: this.#channel }];
  }

  /** The join is done. */
  joined(): void {
    this.#noted = undefined;
    if (this.#state.kind === "joining") this.#state = { kind: "joined" };
  }

  /** The join is not done, or the membership is lost: it is tried again after 2 s. */
  failed(now: Instant, why: string): SettopEffect[] {
    if (this.#state.kind === "left") return [];
    this.#state = { kind: "failed", why, rejoinAt: after(now, REJOIN_WAIT) };
    if (this.#noted === why) return [];
    this.#noted = why;
    return [{ kind: "note", note: "join-failed", channel: this.#channel.id, text: why }];
  }

  /** Denied: the LAN shall carry nothing useless. Further denials do not put it off. */
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

  /** Leaves and joins whose time has come. */
  due(now: Instant): SettopEffect[] {
    if (this.#leaveAt !== undefined && this.#leaveAt <= now) {
      this.#leaveAt = undefined;
      this.#state = { kind: "left" };
      return [{ kind: "leave", channel: this.#channel }];
    }
    if (this.#state.kind !== "failed" || this.#state.rejoinAt > now) return [];
    this.#state = { kind: "joining" };
    return this.begin();
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#state.kind === "failed" ? this.#state.rejoinAt : undefined, this.#leaveAt]);
  }
}
