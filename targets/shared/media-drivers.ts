// What headend and set-top send, receive and encrypt with.
import type { Ciphers } from "../../core/ports/cipher.ts";
import type { Datagrams } from "../../core/ports/datagrams.ts";
import { loadNativeCiphers } from "../../hal/cipher/native.ts";
import { nodeCiphers } from "../../hal/cipher/node.ts";
import { NativeDatagrams } from "../../hal/datagram/native.ts";
import { NodeDatagrams } from "../../hal/datagram/node.ts";
import { type Candidate, choose, type DriverChoice } from "./drivers.ts";

/** Drivers by the configuration; "auto" takes the first that loads, in the order in which they stand here. */
export const CIPHERS = ["auto", "native", "node", "noble"] as const;
/** As `CIPHERS`. */
export const DATAGRAMS = ["auto", "native", "node"] as const;

/** The configuration's part. */
export interface MediaConfig {
  readonly cipher: (typeof CIPHERS)[number];
  readonly datagrams: (typeof DATAGRAMS)[number];
}

/** Loaded; `choices` are for status, by the configuration's entry. */
export interface MediaDrivers {
  readonly ciphers: Ciphers;
  readonly datagrams: Datagrams;
  readonly choices: Readonly<Record<keyof MediaConfig, DriverChoice>>;
}

const ciphers: readonly Candidate<Ciphers>[] = [
  { driver: "native", load: loadNativeCiphers },
  { driver: "node", lacks: "a context that a key keeps, and work in place", load: async () => nodeCiphers },
  {
    driver: "noble",
    lacks: "the processor's instructions for AES",
    load: async () => (await import("../../hal/cipher/noble.ts")).nobleCiphers,
  },
];

const datagrams: readonly Candidate<Datagrams>[] = [
  { driver: "native", load: () => NativeDatagrams.load() },
  {
    driver: "node",
    lacks: "batches, the count of what found no room in the kernel's queue, and which interface a datagram came in by",
    load: async () => new NodeDatagrams(),
  },
];

/** Rejects with the HalError of a driver that is wanted and does not load. */
export async function openMediaDrivers(config: MediaConfig): Promise<MediaDrivers> {
  const cipher = await choose(config.cipher, ciphers);
  const datagram = await choose(config.datagrams, datagrams);
  return {
    ciphers: cipher.port,
    datagrams: datagram.port,
    choices: { cipher: cipher.choice, datagrams: datagram.choice },
  };
}
