// Cryptography whose keys come from a seed, so that every octet of a run repeats. For simulation only.
import type { Entropy } from "../../core/ports/entropy.ts";
import type { KeyPair } from "../../core/ports/primitives.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";

const KEY_LENGTH = 32;

export class SeededPrimitives extends NodePrimitives {
  /** Copies of every private key that was made, those of one message too. */
  readonly privateKeys: Uint8Array[] = [];
  readonly #entropy: Entropy;

  constructor(entropy: Entropy) {
    super();
    this.#entropy = entropy;
  }

  override x25519Generate(): KeyPair {
    const privateKey = this.#privateKey();
    return { privateKey, publicKey: this.x25519Public(privateKey) };
  }

  override ed25519Generate(): KeyPair {
    const privateKey = this.#privateKey();
    return { privateKey, publicKey: this.ed25519Public(privateKey) };
  }

  #privateKey(): Uint8Array {
    const privateKey = this.#entropy.bytes(KEY_LENGTH);
    this.privateKeys.push(privateKey.slice());
    return privateKey;
  }
}
