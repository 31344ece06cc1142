// The configuration of `control`: broker, key server and reception server in one.
import * as v from "valibot";
import type { Duration } from "../../core/base/time.ts";
import { filePath, receptionEntries, type StoreConfig, storeEntries } from "../reception/config.ts";
import { commonEntries, identifier } from "../shared/config.ts";
import type { CommonConfig } from "../shared/target.ts";

/** Where the embedded broker listens. */
export interface ListenerConfig {
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string | undefined } | undefined;
}

/** One of the two servers inside: its id and the file with its identity. */
export interface PartConfig {
  readonly id: string;
  readonly identity: string;
}

/** All of `control`. */
export interface ControlConfig extends CommonConfig {
  readonly id: string;
  readonly broker: { readonly listeners: readonly ListenerConfig[]; readonly connections: number };
  readonly keyServer: PartConfig;
  readonly reception: PartConfig;
  readonly store: StoreConfig;
  readonly shards: number;
  readonly grace: Duration;
  readonly evidenceFor: Duration;
}

const listener = v.strictObject({
  host: v.optional(v.pipe(v.string(), v.minLength(1)), "127.0.0.1"),
  /** 0 lets the kernel choose; `status` tells which. */
  port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535)), 1883),
  /** Files in PEM form; with `ca`, clients must show a certificate of it. */
  tls: v.optional(v.strictObject({ cert: filePath, key: filePath, ca: v.optional(filePath) })),
});

const part = (name: string) =>
  v.optional(
    v.strictObject({
      id: v.optional(identifier, name),
      /** Made at the first start when it does not exist. */
      identity: v.optional(filePath, `/var/lib/sealcast/${name}.json`),
    }),
    {},
  );

/** Checked before anything opens; docs/configuration.md has every entry. */
export const controlConfig: v.GenericSchema<unknown, ControlConfig> = v.pipe(
  v.strictObject({
    ...commonEntries,
    ...storeEntries,
    ...receptionEntries,
    id: v.optional(identifier, "control"),
    broker: v.optional(
      v.strictObject({
        listeners: v.optional(v.pipe(v.array(listener), v.minLength(1), v.maxLength(16)), [{}]),
        /** Clients at once. */
        connections: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000_000)), 10_000),
      }),
      {},
    ),
    keyServer: part("key-server"),
    reception: part("reception-server"),
    store: v.optional(storeEntries.store, { path: "/var/lib/sealcast/control.db" }),
  }),
  v.forward(
    v.check(({ keyServer, reception }) => keyServer.id !== reception.id, "must differ from the key server's id"),
    ["reception", "id"],
  ),
);
