/** The length of an AES-128 or AES-256 key; RangeError for any other. */
export function checkKey(key: Uint8Array): 16 | 32 {
  if (key.length !== 16 && key.length !== 32) throw new RangeError(`AES key of ${key.length} octets, not 16 or 32`);
  return key.length;
}
