// What the operator needs of a participant's identity, in one word that holds no secret: its public key and its password's hash.
import { createHash } from "node:crypto";
import { toHex } from "../../core/base/bytes.ts";
import type { Identity } from "../../hal/identity/identity.ts";

/** SHA-256: enough, because broker passwords are random tokens of 128 bits or more. */
export const passwordHash = (password: Uint8Array | string): Uint8Array =>
  new Uint8Array(createHash("sha256").update(password).digest());

/** X25519 public key and password hash, each 64 hexadecimal digits, with a colon between: what `--public-key` takes. */
export const registrationOf = ({ x25519, password }: Pick<Identity, "x25519" | "password">): string =>
  `${toHex(x25519.publicKey)}:${toHex(passwordHash(password))}`;

/** The parts of what `--public-key` was given: a registration, or a public key alone. The command's own check names what is none. */
export function partsOf(text: string): { readonly publicKey: string; readonly passwordHash?: string } {
  const [publicKey = "", ...rest] = text.split(":");
  return rest.length === 0 ? { publicKey } : { publicKey, passwordHash: rest.join(":") };
}
