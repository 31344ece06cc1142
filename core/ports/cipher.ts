// Ciphers for packets: one object a key, plain calls, in place, no allocation the primitive does not force.

/** AES-GCM under one key. Drivers: node (node:crypto), noble (@noble/ciphers, composed in place). */
export interface GcmCipher {
  /**
   * Encrypts packet[aadEnd, textEnd) in place with packet[0, aadEnd) as associated data and writes the 16-octet tag at
   * packet[textEnd, textEnd + 16). `iv` is 12 octets.
   */
  seal(iv: Uint8Array, packet: Uint8Array, aadEnd: number, textEnd: number): void;
  /**
   * Checks the tag at packet[textEnd, textEnd + 16) and decrypts packet[aadEnd, textEnd) in place. False when the tag is
   * wrong: then the packet is exactly as it was.
   */
  open(iv: Uint8Array, packet: Uint8Array, aadEnd: number, textEnd: number): boolean;
  /** Overwrites the key as far as the driver holds it in memory of its own; the object must not be used afterwards. */
  erase(): void;
}

/** AES-CTR (RFC 3711 4.1.1 "AES-CM") under one key. */
export interface CtrCipher {
  /** XORs the keystream that starts at counter block `iv` (16 octets) onto packet[start, end), in place. */
  apply(iv: Uint8Array, packet: Uint8Array, start: number, end: number): void;
  /** As GcmCipher.erase. */
  erase(): void;
}

/** HMAC-SHA1 under one key. */
export interface Hmac {
  /** Writes the first `length` octets of the MAC over data[0, end) followed by `suffix` to into[at...]. */
  sign(data: Uint8Array, end: number, suffix: Uint8Array, into: Uint8Array, at: number, length: number): void;
  /** As GcmCipher.erase. */
  erase(): void;
}

/** What SRTP does to a packet under one session key and for one SSRC. */
export interface PacketCipher {
  /**
   * Encrypts packet[headerEnd, textEnd) and writes the tag at packet[tagAt...]. `index` is the packet index, 0 to 2^48 - 1. `tagOctets`: so
   * many of the tag, 4 to 10 in AES-CM, always 16 in AES-GCM; all of it unless told otherwise.
   */
  seal(packet: Uint8Array, headerEnd: number, textEnd: number, tagAt: number, index: number, tagOctets?: number): void;
  /** Checks the tag and decrypts packet[headerEnd, textEnd). False when it is wrong: then the packet is as it was. */
  open(
    packet: Uint8Array,
    headerEnd: number,
    textEnd: number,
    tagAt: number,
    index: number,
    tagOctets?: number,
  ): boolean;
  /** Overwrites the key material; the cipher must not be used afterwards. */
  erase(): void;
}

/** One session's keys, as `Ciphers.packets` takes them. */
export interface PacketKeys {
  /** 16 or 32 octets for AES-GCM, 16 for AES-CM. */
  readonly encryption: Uint8Array;
  /** HMAC-SHA1: 20 octets for AES-CM, empty for AES-GCM. */
  readonly authentication: Uint8Array;
  /** The initialisation vector of packet index 0 (RFC 7714 8.1: 12 octets; RFC 3711 4.1.1: 16). */
  readonly vector: Uint8Array;
}

/** Drivers: noble, node, native. Each call makes an object that holds one key until it is erased. */
export interface Ciphers {
  /** Key of 16 or 32 octets; any other length throws RangeError. The driver copies it: the caller may erase its own. */
  gcm(key: Uint8Array): GcmCipher;
  ctr(key: Uint8Array): CtrCipher;
  hmacSha1(key: Uint8Array): Hmac;
  /** Of drivers that do all of a packet in one call; without it a packet is made of the three others. Copies what it is given. */
  packets?(keys: PacketKeys): PacketCipher;
}
