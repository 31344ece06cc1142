// Control-plane cryptography, synchronous. Drivers: node (node:crypto).

/** Raw octets, as RFC 7748 and RFC 8032 have them. */
export interface KeyPair {
  /** 32 octets. */
  readonly privateKey: Uint8Array;
  /** 32 octets. */
  readonly publicKey: Uint8Array;
}

/** What HPKE (RFC 9180), sealed messages and signed notices are made of. */
export interface Primitives {
  x25519Generate(): KeyPair;
  x25519Public(privateKey: Uint8Array): Uint8Array;
  /** RFC 7748; undefined when the peer's point is of small order (the result would be zero). */
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  hkdfExtract(salt: Uint8Array, inputKey: Uint8Array): Uint8Array;
  /** RFC 5869 with SHA-256; length <= 8160. */
  hkdfExpand(pseudoRandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  sha256(data: Uint8Array): Uint8Array;
  /** AES-128-GCM: ciphertext followed by the 16-octet tag, in a fresh array. */
  gcmSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array): Uint8Array;
  /** The clear text in a fresh array, or undefined when the tag is wrong. */
  gcmOpen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, box: Uint8Array): Uint8Array | undefined;
  ed25519Generate(): KeyPair;
  ed25519Public(privateKey: Uint8Array): Uint8Array;
  ed25519Sign(privateKey: Uint8Array, message: Uint8Array): Uint8Array;
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}
