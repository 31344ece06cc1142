// Octets for tests: from hexadecimal, and with one bit wrong.
import { fromHex } from "./bytes.ts";

/** The octets of a hexadecimal literal in a test; throws RangeError for anything else. */
export function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new RangeError(`not hexadecimal: ${text}`);
  return bytes;
}

/** A copy in which the lowest bit of octet `at` is the other one. */
export function flip(bytes: Uint8Array, at: number): Uint8Array {
  const changed = bytes.slice();
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}
