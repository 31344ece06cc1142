// What every participant of the control plane reads at its start: its own identity and how to reach the broker.
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { Role } from "../../core/control/participant.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Primitives } from "../../core/ports/primitives.ts";
import type { MqttOptions } from "../../hal/bus/mqtt.ts";
import { readIdentity } from "../../hal/identity/file.ts";
import type { Identity } from "../../hal/identity/identity.ts";

/** The `broker` entry of a configuration: where it is, which MQTT (4 is 3.1.1), and PEM files for TLS. */
export interface BrokerConfig {
  readonly url: string;
  readonly protocolVersion: 4 | 5;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Throws HalError "identity.invalid" when the file belongs to somebody else; else as `readIdentity`. */
export function readOwnIdentity(role: Role, id: string, path: string, primitives: Primitives): Identity {
  const identity = readIdentity(path, primitives);
  if (identity.role === role && identity.id === id) return identity;
  throw new HalError(
    "identity.invalid",
    `${path} belongs to the ${identity.role} ${identity.id}, not to the ${role} ${id}`,
  );
}

/** Throws HalError "bus.tls-file" when a PEM file cannot be read or used. */
export function mqttOptions({ url, protocolVersion, ca, cert, key }: BrokerConfig, password: string): MqttOptions {
  const tls = {
    ...(ca === undefined ? {} : { ca: readPem(ca, "bus.tls-file") }),
    ...(cert === undefined ? {} : { cert: readPem(cert, "bus.tls-file") }),
    ...(key === undefined ? {} : { key: readPem(key, "bus.tls-file") }),
  };
  try {
    createSecureContext(tls);
  } catch (cause) {
    throw new HalError("bus.tls-file", "the certificates or the key for the broker cannot be used", {
      cause,
      needs: "PEM files, the key belonging to the certificate",
    });
  }
  return { url, password, version: protocolVersion, ...(Object.keys(tls).length === 0 ? {} : { tls }) };
}

/** A certificate or key as text. Throws HalError with this code when the file cannot be read. */
export function readPem(path: string, code: "bus.tls-file" | "broker.tls"): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new HalError(code, `cannot read ${path}`, { cause });
  }
}
