// Why there is no broker, for `status` and the log.
import { minutes } from "../../core/base/time.ts";
import { Allowance } from "../../core/control/allowance.ts";
import { brokerStanding } from "../../core/control/broker-standing.ts";
import type { Endpoint } from "../../core/control/endpoint.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { HalError } from "../../core/ports/errors.ts";
import type { Logger } from "./log.ts";

/** For `status`: `brokerFault` says in words why it is not connected, once an attempt has ended. */
export function brokerStatus(endpoint: Pick<Endpoint, "connected" | "fault">) {
  const standing = brokerStanding(endpoint);
  const fault = standing.kind === "connected" || standing.why === undefined ? {} : { brokerFault: standing.why };
  return { broker: standing.kind, ...fault };
}

/** A driver tries for as long as we live: of the same complaint so many at once are warnings, then one in so long. */
const COMPLAINTS = { burst: 5, spacing: minutes(10) };

/** Says in the log why there is no broker. `prefix` stands before each line. */
export function brokerComplaints(clock: Clock, log: Logger, prefix: string): (error: HalError) => void {
  const allowed = new Allowance(COMPLAINTS);
  return ({ code, message, needs }) => {
    const level = allowed.take(clock.now(), code) ? "warn" : "debug";
    log[level]({ code, needs }, prefix + message);
  };
}
