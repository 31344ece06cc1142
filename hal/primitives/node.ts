// Port Primitives on node:crypto, synchronous: X25519, Ed25519, HKDF-SHA256 and AES-128-GCM.
import crypto, {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { Recent } from "../../core/control/recent.ts";
import type { KeyPair, Primitives } from "../../core/ports/primitives.ts";

const KEY_LENGTH = 32;
const TAG_LENGTH = 16;
const HASH_LENGTH = 32;

// RFC 8410: the DER around a raw 32-octet key; the two curves differ in one octet of the object identifier.
const PKCS8_PREFIX = "302e020100300506032b65XX04220420";
const SPKI_PREFIX = "302a300506032b65XX032100";
const CURVES = { x25519: "6e", ed25519: "70" } as const;
type Curve = keyof typeof CURVES;

const prefixOf = (template: string, curve: Curve): Buffer => Buffer.from(template.replace("XX", CURVES[curve]), "hex");

/** Making a key object costs as much as using it, so public ones are cached by value, `keys` of them. */
export class NodePrimitives implements Primitives {
  readonly #x25519: Keys;
  readonly #ed25519: Keys;

  constructor(keys = 4096) {
    this.#x25519 = new Keys("x25519", keys);
    this.#ed25519 = new Keys("ed25519", keys);
  }

  x25519Generate(): KeyPair {
    return exportPair(generateKeyPairSync("x25519").privateKey);
  }

  x25519Public(privateKey: Uint8Array): Uint8Array {
    return exportPair(this.#x25519.private(privateKey)).publicKey;
  }

  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
    const keys = { privateKey: this.#x25519.private(privateKey), publicKey: this.#x25519.public(publicKey) };
    try {
      return plain(diffieHellman(keys));
    } catch (error) {
      // RFC 7748 section 6.1: OpenSSL refuses to derive the all-zero value, which only a point of small order gives.
      if (error instanceof Error && "code" in error && error.code === "ERR_OSSL_FAILED_DURING_DERIVATION")
        return undefined;
      throw error;
    }
  }

  hkdfExtract(salt: Uint8Array, inputKey: Uint8Array): Uint8Array {
    return plain(createHmac("sha256", salt).update(inputKey).digest());
  }

  hkdfExpand(pseudoRandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array {
    if (length > 255 * HASH_LENGTH) throw new RangeError(`HKDF gives at most 8160 octets: ${length}`);
    const output = new Uint8Array(length);
    let block: Uint8Array = new Uint8Array(0);
    for (let at = 0, n = 1; at < length; at += HASH_LENGTH, n++) {
      block = createHmac("sha256", pseudoRandomKey).update(block).update(info).update(Uint8Array.of(n)).digest();
      output.set(block.subarray(0, length - at), at);
    }
    return output;
  }

  sha256(data: Uint8Array): Uint8Array {
    return plain(sha256Digest(data));
  }

  gcmSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array): Uint8Array {
    const cipher = createCipheriv("aes-128-gcm", key, nonce);
    cipher.setAAD(aad);
    const box = new Uint8Array(text.length + TAG_LENGTH);
    box.set(cipher.update(text));
    cipher.final();
    box.set(cipher.getAuthTag(), text.length);
    return box;
  }

  gcmOpen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, box: Uint8Array): Uint8Array | undefined {
    if (box.length < TAG_LENGTH) return undefined;
    const end = box.length - TAG_LENGTH;
    const decipher = createDecipheriv("aes-128-gcm", key, nonce, { authTagLength: TAG_LENGTH });
    decipher.setAAD(aad);
    decipher.setAuthTag(box.subarray(end));
    const text = decipher.update(box.subarray(0, end));
    try {
      decipher.final();
    } catch {
      // `final` fails for one reason only: the tag is wrong.
      return undefined;
    }
    return plain(text);
  }

  ed25519Generate(): KeyPair {
    return exportPair(generateKeyPairSync("ed25519").privateKey);
  }

  ed25519Public(privateKey: Uint8Array): Uint8Array {
    return exportPair(this.#ed25519.private(privateKey)).publicKey;
  }

  ed25519Sign(privateKey: Uint8Array, message: Uint8Array): Uint8Array {
    return plain(sign(null, message, this.#ed25519.private(privateKey)));
  }

  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    return verify(null, message, this.#ed25519.public(publicKey), signature);
  }
}

/** In one call where Node has it (from 20.12 on), which spares the object. */
const sha256Digest: (data: Uint8Array) => Buffer =
  "hash" in crypto
    ? (data) => crypto.hash("sha256", data, "buffer")
    : (data) => createHash("sha256").update(data).digest();

/** Key objects of one curve. */
class Keys {
  readonly #privatePrefix: Buffer;
  readonly #publicPrefix: Buffer;
  /** By the array that holds them, so that an ephemeral key goes with its array. */
  readonly #private = new WeakMap<Uint8Array, KeyObject>();
  readonly #public: Recent<string, KeyObject>;

  constructor(curve: Curve, limit: number) {
    this.#privatePrefix = prefixOf(PKCS8_PREFIX, curve);
    this.#publicPrefix = prefixOf(SPKI_PREFIX, curve);
    this.#public = new Recent(limit);
  }

  private(key: Uint8Array): KeyObject {
    const cached = this.#private.get(key);
    if (cached !== undefined) return cached;
    const made = createPrivateKey({ key: wrap(this.#privatePrefix, key), format: "der", type: "pkcs8" });
    this.#private.set(key, made);
    return made;
  }

  public(key: Uint8Array): KeyObject {
    const name = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
    const cached = this.#public.get(name);
    if (cached !== undefined) return cached;
    const made = createPublicKey({ key: wrap(this.#publicPrefix, key), format: "der", type: "spki" });
    this.#public.set(name, made);
    return made;
  }
}

function wrap(prefix: Buffer, key: Uint8Array): Buffer {
  if (key.length !== KEY_LENGTH) throw new RangeError(`a key has ${KEY_LENGTH} octets: ${key.length}`);
  return Buffer.concat([prefix, key]);
}

/** Raw keys are the last 32 octets of their DER (RFC 8410 section 7). */
function exportPair(key: KeyObject): KeyPair {
  const publicDer = createPublicKey(key).export({ format: "der", type: "spki" });
  const privateDer = key.export({ format: "der", type: "pkcs8" });
  return { privateKey: plain(privateDer.subarray(-KEY_LENGTH)), publicKey: plain(publicDer.subarray(-KEY_LENGTH)) };
}

/** A fresh Uint8Array that shares no pool with other buffers. */
const plain = (bytes: Buffer): Uint8Array => new Uint8Array(bytes);
