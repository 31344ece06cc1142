// What a router says to control over its one connection: evidence, and questions about cards.
import type { Machine } from "../base/machine.ts";
import { earliest, type Instant } from "../base/time.ts";
import type { PermitInquiry, PermitInquiryEffect, PermitInquiryEvent } from "./permit-inquiry.ts";
import type { MembershipReporter, ReporterEffect, ReporterEvent } from "./reporter.ts";

/** Of either. */
export type RouterClientEvent = ReporterEvent | PermitInquiryEvent;
/** Of either. */
export type RouterClientEffect = ReporterEffect | PermitInquiryEffect;

/** Hands each event to the machine that it is for. */
export class RouterClient implements Machine<RouterClientEvent, RouterClientEffect> {
  readonly #reporter: MembershipReporter;
  readonly #inquiry: PermitInquiry;

  constructor(reporter: MembershipReporter, inquiry: PermitInquiry) {
    this.#reporter = reporter;
    this.#inquiry = inquiry;
  }

  receive(now: Instant, event: RouterClientEvent): readonly RouterClientEffect[] {
    switch (event.kind) {
      case "inquire":
        return this.#inquiry.receive(now, event);
      case "answer":
        return event.message.type === "permits"
          ? this.#inquiry.receive(now, event)
          : this.#reporter.receive(now, event);
      case "up":
        return [...this.#reporter.receive(now, event), ...this.#inquiry.receive(now, event)];
      default:
        return this.#reporter.receive(now, event);
    }
  }

  poll(now: Instant): readonly RouterClientEffect[] {
    return [...this.#reporter.poll(now), ...this.#inquiry.poll(now)];
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#reporter.nextDeadline(), this.#inquiry.nextDeadline()]);
  }
}
