// SRTP's packets through our own addon (hal/native/srtp.c): in place, one call a packet or a batch, under contexts that a key keeps, by
// the OpenSSL that Node itself is built with. What is not done per packet, the derivation of a session's keys, is node:crypto's.
import type { Ciphers, PacketCipher, PacketKeys } from "../../core/ports/cipher.ts";
import { HalError } from "../../core/ports/errors.ts";
import { rolloverOf, sequenceOfIndex } from "../../core/stream/packet-index.ts";
import { CIPHER_ROW, type SocketsModule, succeeded } from "../native/sockets.ts";
import { loadSockets } from "../native.ts";
import { nodeCiphers } from "./node.ts";

type CipherModule = Pick<SocketsModule, "srtpKey" | "srtpErase" | "srtpSeal" | "srtpOpen">;

const DONE = 1;
const WRONG_TAG = 0;
const EINVAL = -22;
const ERASED = -1;
const WHOLE_TAG = 0;

/** Rejects with HalError "cipher.native-missing" without the addon, "cipher.no-openssl" where Node does not show it OpenSSL. */
export async function loadNativeCiphers(): Promise<Ciphers> {
  const native = await loadSockets("cipher");
  const probe = native.srtpKey(new Uint8Array(16), new Uint8Array(0), new Uint8Array(12));
  if (probe < 0)
    throw new HalError("cipher.no-openssl", "this Node does not show its OpenSSL to addons", {
      needs:
        "a Node whose program or libcrypto has EVP_* and SHA1_* among its dynamic symbols, as those of nodejs.org have",
      alternative: "the driver `node` does the same through node:crypto",
    });
  native.srtpErase(probe);
  return { ...nodeCiphers, packets: (keys) => new NativePacketCipher(native, keys) };
}

/** Keys of objects that nobody has erased. */
const forgotten = new FinalizationRegistry(({ native, key }: { native: CipherModule; key: number }) =>
  native.srtpErase(key),
);

class NativePacketCipher implements PacketCipher {
  readonly #native: CipherModule;
  #key: number;
  readonly #row = new Int32Array(CIPHER_ROW.length);

  constructor(native: CipherModule, { encryption, authentication, vector }: PacketKeys) {
    const key = native.srtpKey(encryption, authentication, vector);
    if (key === EINVAL)
      throw new RangeError(`keys of ${encryption.length}, ${authentication.length} and ${vector.length} octets`);
    this.#native = native;
    this.#key = succeeded("srtpKey", key);
    forgotten.register(this, { native, key }, this);
  }

  seal(
    packet: Uint8Array,
    headerEnd: number,
    textEnd: number,
    tagAt: number,
    index: number,
    tagOctets: number = WHOLE_TAG,
  ): void {
    this.#fill(headerEnd, textEnd, tagAt, index, tagOctets);
    if (this.#native.srtpSeal(packet, this.#row, 1) !== DONE) throw this.#mistake();
  }

  open(
    packet: Uint8Array,
    headerEnd: number,
    textEnd: number,
    tagAt: number,
    index: number,
    tagOctets: number = WHOLE_TAG,
  ): boolean {
    this.#fill(headerEnd, textEnd, tagAt, index, tagOctets);
    if (this.#native.srtpOpen(packet, this.#row, 1) === DONE) return true;
    if (this.#row[CIPHER_ROW.outcome] !== WRONG_TAG) throw this.#mistake();
    return false;
  }

  erase(): void {
    if (this.#key === ERASED) return;
    forgotten.unregister(this);
    this.#native.srtpErase(this.#key);
    this.#key = ERASED;
  }

  #fill(headerEnd: number, textEnd: number, tagAt: number, index: number, tagOctets: number): void {
    const row = this.#row;
    row[CIPHER_ROW.key] = this.#key;
    row[CIPHER_ROW.text] = headerEnd;
    row[CIPHER_ROW.end] = textEnd;
    row[CIPHER_ROW.tag] = tagAt;
    row[CIPHER_ROW.tagOctets] = tagOctets;
    row[CIPHER_ROW.roc] = rolloverOf(index);
    row[CIPHER_ROW.sequence] = sequenceOfIndex(index);
  }

  #mistake(): RangeError {
    const [key, start, text, end, tag, octets, , , outcome] = this.#row;
    return new RangeError(
      `a packet of ${start}, ${text}, ${end} and ${tag} with ${octets} of its tag under key ${key} is none: ${outcome}`,
    );
  }
}
