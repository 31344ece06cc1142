// The X25519 public keys that no private key has: with them every shared secret is zero (RFC 7748 sections 6.1 and 7).
import { toHex } from "../base/bytes.ts";

/** As libsodium lists them: 0, 1, the two of order 8, and p - 1, p, p + 1, which are -1, 0 and 1 again. */
const POINTS: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

/** `key` has 32 octets; its highest bit does not count (section 5). */
export function isSmallOrder(key: Uint8Array): boolean {
  const masked = key.slice();
  masked[31] = (masked[31] ?? 0) & 0x7f;
  return POINTS.has(toHex(masked));
}
