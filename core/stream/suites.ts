// The SRTP crypto suites a channel may use, with their lengths in octets.

/** Names of the IANA registry "SRTP Protection Profiles" (RFC 7714 section 14, RFC 4568 section 6.2). */
export const SUITES = ["AEAD_AES_128_GCM", "AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_80"] as const;
/** By its registered name. */
export type Suite = (typeof SUITES)[number];

/** Octets of the master key identifier in a packet: 4 (the epoch, big-endian) or none. */
export type MkiLength = 0 | 4;

/** In octets. */
export interface SuiteLengths {
  /** Master key and session encryption key. */
  readonly key: number;
  /** Master salt and session salt: 12 for GCM (RFC 7714 section 12), 14 for AES-CM (RFC 3711 section 8.2). */
  readonly salt: number;
  readonly tag: number;
  /** Session authentication key; 0 for an AEAD. */
  readonly authKey: number;
}

const LENGTHS: Readonly<Record<Suite, SuiteLengths>> = {
  AEAD_AES_128_GCM: { key: 16, salt: 12, tag: 16, authKey: 0 },
  AEAD_AES_256_GCM: { key: 32, salt: 12, tag: 16, authKey: 0 },
  AES_CM_128_HMAC_SHA1_80: { key: 16, salt: 14, tag: 10, authKey: 20 },
};

/** Of the keys, salts and tags of a suite. */
export const lengthsOf = (suite: Suite): SuiteLengths => LENGTHS[suite];

/** Octets that protection adds to an RTP packet. */
export const trailerLength = (suite: Suite, mkiLength: MkiLength): number => LENGTHS[suite].tag + mkiLength;
