// SRTP session keys from a master key and salt (RFC 3711 section 4.3), key derivation rate 0: one derivation an epoch.
// AES-256 master keys use AES-256 as the pseudo-random function (RFC 6188 section 2, RFC 7714 section 11).
import type { Ciphers } from "../ports/cipher.ts";
import { lengthsOf, type Suite } from "./suites.ts";

/** Labels of RFC 3711 section 4.3.1. */
const ENCRYPTION = 0;
const AUTHENTICATION = 1;
const SALT = 2;

/** The label is the top octet of the 56-bit key_id, which is aligned to the low end of the 112-bit salt. */
const LABEL_AT = 7;

/** Of one epoch, in the lengths that `lengthsOf` names. Whoever derives them overwrites them when the ciphers have them. */
export interface SessionKeys {
  readonly encryption: Uint8Array;
  /** Empty for an AEAD. */
  readonly authentication: Uint8Array;
  readonly salt: Uint8Array;
}

/**
 * Master key and salt must have the suite's lengths, else RangeError. A salt of 96 bits is padded with 16 zero bits at its low
 * end (RFC 7714 section 11).
 */
export function deriveSessionKeys(ciphers: Ciphers, suite: Suite, key: Uint8Array, salt: Uint8Array): SessionKeys {
  const lengths = lengthsOf(suite);
  if (key.length !== lengths.key) throw new RangeError(`${suite}: master key of ${key.length} octets`);
  if (salt.length !== lengths.salt) throw new RangeError(`${suite}: master salt of ${salt.length} octets`);
  return {
    encryption: derive(ciphers, key, salt, ENCRYPTION, lengths.key),
    authentication: derive(ciphers, key, salt, AUTHENTICATION, lengths.authKey),
    salt: derive(ciphers, key, salt, SALT, lengths.salt),
  };
}

/** One session key of `length` octets: the AES-CM keystream of a 16- or 32-octet master key (RFC 3711 4.3.3, RFC 6188 section 3). */
export function derive(ciphers: Ciphers, key: Uint8Array, salt: Uint8Array, label: number, length: number): Uint8Array {
  const prf = ciphers.ctr(key);
  const block = new Uint8Array(16);
  block.set(salt);
  block[LABEL_AT] = (block[LABEL_AT] ?? 0) ^ label;
  const derived = new Uint8Array(length);
  prf.apply(block, derived, 0, length);
  prf.erase();
  return derived;
}
