// What a router says to control over its one connection: evidence, questions about cards, and which policy is in force.
import type { Machine } from "../base/machine.ts";
import { earliest, type Instant } from "../base/time.ts";
import type { PermitInquiry, PermitInquiryEffect, PermitInquiryEvent } from "./permit-inquiry.ts";
import type { PolicyInquiry, PolicyInquiryEffect, PolicyInquiryEvent } from "./policy-inquiry.ts";
import type { MembershipReporter, ReporterEffect, ReporterEvent } from "./reporter.ts";

/** Of any of them. */
export type RouterClientEvent = ReporterEvent | PermitInquiryEvent | PolicyInquiryEvent;
/** Of any of them. */
export type RouterClientEffect = ReporterEffect | PermitInquiryEffect | PolicyInquiryEffect;

/** Hands each event to the machine that it is for. */
export class RouterClient implements Machine<RouterClientEvent, RouterClientEffect> {
  readonly #reporter: MembershipReporter;
  readonly #permits: PermitInquiry;
  readonly #policy: PolicyInquiry;

  constructor(reporter: MembershipReporter, permits: PermitInquiry, policy: PolicyInquiry) {
    this.#reporter = reporter;
    this.#permits = permits;
    this.#policy = policy;
  }

  receive(now: Instant, event: RouterClientEvent): readonly RouterClientEffect[] {
    switch (event.kind) {
      case "inquire":
        return this.#permits.receive(now, event);
      case "policy-state":
      case "asked":
        return this.#policy.receive(now, event);
      case "answer":
        return this.#answered(now, event);
      case "up":
        return [
          ...this.#reporter.receive(now, event),
          ...this.#permits.receive(now, event),
          ...this.#policy.receive(now, event),
        ];
      default:
        return this.#reporter.receive(now, event);
    }
  }

  #answered(now: Instant, event: RouterClientEvent & { kind: "answer" }): readonly RouterClientEffect[] {
    switch (event.message.type) {
      case "permits":
        return this.#permits.receive(now, event);
      case "policy":
      case "policy.unchanged":
        return this.#policy.receive(now, event);
      default:
        return this.#reporter.receive(now, event);
    }
  }

  poll(now: Instant): readonly RouterClientEffect[] {
    return [...this.#reporter.poll(now), ...this.#permits.poll(now), ...this.#policy.poll(now)];
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#reporter.nextDeadline(), this.#permits.nextDeadline(), this.#policy.nextDeadline()]);
  }
}
