// The octets of epoch keys in memory, and their end.
import type { EpochKey } from "./messages.ts";

/** The secret octets of an epoch: of a message, or of a row of the store. */
export type KeyOctets = Pick<EpochKey, "masterKey" | "masterSalt">;

/** Overwrites the octets of keys that go no further, in place, except those that a key of `kept` shares. */
export function overwriteKeys(ended: readonly KeyOctets[], kept: readonly KeyOctets[] = []): void {
  const used = new Set(kept.flatMap(octetsOf));
  for (const octets of ended.flatMap(octetsOf)) if (!used.has(octets)) octets.fill(0);
}

const octetsOf = ({ masterKey, masterSalt }: KeyOctets): Uint8Array[] => [masterKey, masterSalt];
