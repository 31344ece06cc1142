// The key server's configuration.
import * as v from "valibot";
import { filePath, type StoreConfig, storeEntries } from "../reception/config.ts";
import { brokerEntries, commonEntries, identifier, x25519PublicKey } from "../shared/config.ts";
import type { BrokerConfig } from "../shared/participant.ts";
import type { CommonConfig } from "../shared/target.ts";

/** A headend that may speak: its id and public key. */
export interface HeadendEntry {
  readonly id: string;
  readonly publicKey: Uint8Array;
  readonly channels?: readonly string[] | undefined;
}

/** A key server of its own (claim 4). */
export interface KeyServerConfig extends CommonConfig {
  readonly id: string;
  readonly broker: BrokerConfig;
  readonly identity: string;
  readonly store: StoreConfig;
  readonly shards: number;
  readonly reception: { readonly id: string; readonly publicKey: Uint8Array };
  readonly headends: readonly HeadendEntry[];
}

/** Checked before anything opens; docs/configuration.md has every entry. */
export const keyServerConfig: v.GenericSchema<unknown, KeyServerConfig> = v.strictObject({
  ...commonEntries,
  ...brokerEntries,
  ...storeEntries,
  id: identifier,
  /** File with this server's keys and broker password. */
  identity: filePath,
  /** The reception server that is asked about every device. */
  reception: v.strictObject({ id: identifier, publicKey: x25519PublicKey }),
  headends: v.pipe(
    v.array(
      v.strictObject({
        id: identifier,
        publicKey: x25519PublicKey,
        /** The only channels it may serve; absent: all. */
        channels: v.optional(v.pipe(v.array(identifier), v.maxLength(1024))),
      }),
    ),
    v.maxLength(1024),
    v.check((all) => new Set(all.map(({ id }) => id)).size === all.length, "two headends have the same id"),
  ),
});
