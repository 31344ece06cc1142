// The reception server's configuration, and the parts of it that `control` shares.
import * as v from "valibot";
import { type Duration, milliseconds, seconds } from "../../core/base/time.ts";
import { brokerEntries, commonEntries, identifier, x25519PublicKey } from "../shared/config.ts";
import type { BrokerConfig } from "../shared/participant.ts";
import type { CommonConfig } from "../shared/target.ts";

/** Where the records are kept. */
export interface StoreConfig {
  readonly path: string;
  readonly sizeLimit?: number | undefined;
}

/** A reception server of its own (claim 5). */
export interface ReceptionConfig extends CommonConfig {
  readonly id: string;
  readonly broker: BrokerConfig;
  readonly identity: string;
  readonly store: StoreConfig;
  readonly shards: number;
  readonly grace: Duration;
  readonly evidenceFor: Duration;
  readonly keyServers: readonly { readonly id: string; readonly publicKey: Uint8Array }[];
}

const DAY = 86_400_000;

/** A path, absolute or from where the process is started. */
export const filePath = v.pipe(v.string(), v.minLength(1));

/** Whatever keeps rows. */
export const storeEntries = {
  store: v.strictObject({
    path: filePath,
    /** Octets; beyond, requests are answered "busy" until there is space. Default: as far as the disk goes. */
    sizeLimit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(65_536))),
  }),
  /** Request topics are split over this many shards; the same number everywhere. */
  shards: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000)), 1),
} as const;

/** Whatever keeps receptions. */
export const receptionEntries = {
  /** Seconds without a request after which a reception has lapsed, counted from the end of the device's last key. */
  grace: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(86_400), v.transform(seconds)), 60),
  /** Days for which the routers' evidence is kept. */
  evidenceFor: v.optional(
    v.pipe(
      v.number(),
      v.minValue(1),
      v.maxValue(3_650),
      v.transform((days) => milliseconds(days * DAY)),
    ),
    90,
  ),
} as const;

/** Checked before anything opens; docs/configuration.md has every entry. */
export const receptionConfig: v.GenericSchema<unknown, ReceptionConfig> = v.strictObject({
  ...commonEntries,
  ...brokerEntries,
  ...storeEntries,
  ...receptionEntries,
  id: identifier,
  /** File with this server's keys and broker password. */
  identity: filePath,
  keyServers: v.pipe(
    v.array(v.strictObject({ id: identifier, publicKey: x25519PublicKey })),
    v.minLength(1),
    v.maxLength(256),
    v.check((all) => new Set(all.map(({ id }) => id)).size === all.length, "two key servers have the same id"),
  ),
});
