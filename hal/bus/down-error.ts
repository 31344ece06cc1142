// Why there is no connection to a broker, by what the mqtt package or the machine said.
import { ErrorWithReasonCode, ErrorWithSubackPacket } from "mqtt";
import { HalError } from "../../core/ports/errors.ts";

/** A SUBACK with a failure code (3.1.1 section 3.9.3, 5 section 3.9.3), as opposed to a connection that broke meanwhile. */
export const isSubscriptionRefused = (error: unknown): boolean =>
  error instanceof ErrorWithSubackPacket && error.packet?.granted.some((code) => Number(code) >= 128) === true;

interface Answer {
  readonly code: "bus.credentials" | "bus.version" | "bus.unavailable";
  readonly text: string;
  readonly needs: string;
}

const CREDENTIALS: Answer = {
  code: "bus.credentials",
  text: "refused by the broker: unknown id or password",
  needs: "an identity that is registered there (with control: `device add` or `service add`)",
};
const VERSION: Answer = {
  code: "bus.version",
  text: "refused by the broker: it does not speak this version of MQTT",
  needs: "the other `broker.protocolVersion`: control's own broker speaks 4 (MQTT 3.1.1)",
};
const UNAVAILABLE: Answer = {
  code: "bus.unavailable",
  text: "the broker cannot serve anybody now",
  needs: "patience, or a look at the broker",
};

/** CONNACK: MQTT 3.1.1 table 3.1, MQTT 5 table 3-1. */
const ANSWERS: Readonly<Record<number, Answer>> = {
  1: VERSION,
  2: CREDENTIALS,
  3: UNAVAILABLE,
  4: CREDENTIALS,
  5: CREDENTIALS,
  132: VERSION,
  133: CREDENTIALS,
  134: CREDENTIALS,
  135: CREDENTIALS,
  136: UNAVAILABLE,
  137: UNAVAILABLE,
  138: { ...CREDENTIALS, text: "refused by the broker: this id or address is banned", needs: "the broker's pardon" },
};

/**
 * "bus.credentials", "bus.version", "bus.unavailable": its CONNACK said no. "bus.refused": it refuses one of the filters.
 * "bus.certificate": it refuses our certificate. "bus.tls": no TLS connection. "bus.unreachable": no connection. "bus.lost": it ended
 * without a word.
 */
export function downError(url: string, cause: Error | undefined): HalError {
  if (cause === undefined) return new HalError("bus.lost", `the broker at ${url} closed the connection`);
  const answer = cause instanceof ErrorWithReasonCode ? ANSWERS[cause.code] : undefined;
  if (answer !== undefined) return new HalError(answer.code, answer.text, { cause, needs: answer.needs });
  if (isSubscriptionRefused(cause)) {
    return new HalError("bus.refused", "refused by the broker: this identity may not hear what its role needs", {
      cause,
      needs: "an identity that is registered there for this role",
    });
  }
  return tlsError(url, cause) ?? unreachable(url, cause);
}

function unreachable(url: string, cause: Error): HalError {
  const said = cause.message || ("code" in cause ? String(cause.code) : cause.name);
  return new HalError("bus.unreachable", `no connection to the broker at ${url}: ${said}`, {
    cause,
    needs: "a broker that listens there",
  });
}

/** What the system refused has an errno, what OpenSSL or the check of the certificate refused has none. */
function tlsError(url: string, cause: Error): HalError | undefined {
  if (!url.startsWith("mqtts:") || "errno" in cause || !("code" in cause)) return undefined;
  // OpenSSL's name for an alert: that is the other side speaking.
  if (/^ERR_SSL_.*ALERT/.test(String(cause.code))) {
    return new HalError("bus.certificate", `refused by the broker: TLS alert (${reasonOf(cause)})`, {
      cause,
      needs: "`broker.cert` and `broker.key` of an authority that the broker trusts",
    });
  }
  return new HalError("bus.tls", `no TLS connection to the broker at ${url}: ${cause.message}`, {
    cause,
    needs: "a broker that speaks TLS there, and a `broker.ca` that its certificate is of",
  });
}

const reasonOf = (cause: Error): string => ("reason" in cause ? String(cause.reason) : cause.message);
