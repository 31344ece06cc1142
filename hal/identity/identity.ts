// Who a participant is: its id and role, its keys and its broker password, in one JSON file that only its owner can read.
import * as v from "valibot";
import { fromHex, toHex } from "../../core/base/bytes.ts";
import { describeIssue } from "../../core/control/codec.ts";
import { Identifier } from "../../core/control/messages.ts";
import { type Peer, ROLES, type Role } from "../../core/control/participant.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import type { KeyPair, Primitives } from "../../core/ports/primitives.ts";

/** The whole, with its secrets: never logged, never sent. */
export interface Identity {
  readonly id: string;
  readonly role: Role;
  /** For sessions (HPKE). */
  readonly x25519: KeyPair;
  /** For notices: key servers only. */
  readonly ed25519?: KeyPair;
  /** For the broker. */
  readonly password: string;
}

/** What others may know, as JSON: keys in hexadecimal. */
export interface PublicIdentity {
  readonly id: string;
  readonly role: Role;
  readonly x25519: string;
  readonly ed25519?: string;
}

const PASSWORD_LENGTH = 24;

const key = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits in lower case"));
const pair = v.strictObject({ private: key, public: key });
const FILE = v.strictObject({
  id: Identifier,
  role: v.picklist(ROLES),
  x25519: pair,
  ed25519: v.optional(pair),
  password: v.pipe(v.string(), v.minLength(8), v.maxLength(256)),
});
type File = v.InferOutput<typeof FILE>;

/** Fresh keys and a password of 144 random bits; a key server gets a signing key as well. */
export function generateIdentity(role: Role, id: string, primitives: Primitives, entropy: Entropy): Identity {
  if (!v.is(Identifier, id)) throw new RangeError(`not an identifier: ${id}`);
  const password = toHex(entropy.bytes(PASSWORD_LENGTH));
  const identity = { id, role, x25519: primitives.x25519Generate(), password };
  return role === "keyserver" ? { ...identity, ed25519: primitives.ed25519Generate() } : identity;
}

/** Whom others speak to. */
export const peerOf = ({ id, role, x25519 }: Identity): Peer => ({ id, role, publicKey: x25519.publicKey });

/** What the operator hands to those who must know this participant. */
export const publicIdentity = ({ id, role, x25519, ed25519 }: Identity): PublicIdentity => ({
  id,
  role,
  x25519: toHex(x25519.publicKey),
  ...(ed25519 === undefined ? {} : { ed25519: toHex(ed25519.publicKey) }),
});

/** The text of an identity file, secrets included; `parseIdentity` reads it. */
export function formatIdentity({ id, role, x25519, ed25519, password }: Identity): string {
  const file: File = { id, role, x25519: hexPair(x25519), password };
  return `${JSON.stringify(ed25519 === undefined ? file : { ...file, ed25519: hexPair(ed25519) }, null, 2)}\n`;
}

/** The identity that `text` spells, or every fault of it, each with its path ("x25519.private: must be ..."). */
export function parseIdentity(text: string, primitives: Primitives): Identity | readonly string[] {
  const json = parseJson(text);
  if (json === undefined) return ["the file is not JSON"];
  const result = v.safeParse(FILE, json);
  if (!result.success) return result.issues.map((issue) => describeIssue("identity", issue));
  const { x25519, ed25519, ...rest } = result.output;
  const faults = [
    ...mismatch("x25519", x25519, (privateKey) => primitives.x25519Public(privateKey)),
    ...(ed25519 === undefined ? [] : mismatch("ed25519", ed25519, (own) => primitives.ed25519Public(own))),
    ...(rest.role === "keyserver" && ed25519 === undefined ? ["identity.ed25519: a key server needs one"] : []),
  ];
  if (faults.length > 0) return faults;
  const identity = { ...rest, x25519: bytePair(x25519) };
  return ed25519 === undefined ? identity : { ...identity, ed25519: bytePair(ed25519) };
}

type HexPair = v.InferOutput<typeof pair>;

function mismatch(name: string, keys: HexPair, publicOf: (privateKey: Uint8Array) => Uint8Array): readonly string[] {
  const { privateKey, publicKey } = bytePair(keys);
  return toHex(publicOf(privateKey)) === toHex(publicKey)
    ? []
    : [`identity.${name}.public: does not belong to the private key`];
}

const hexPair = (keys: KeyPair): HexPair => ({ private: toHex(keys.privateKey), public: toHex(keys.publicKey) });

const bytePair = (keys: HexPair): KeyPair => ({ privateKey: octets(keys.private), publicKey: octets(keys.public) });

/** The schema has seen to it that these are hexadecimal. */
const octets = (text: string): Uint8Array => fromHex(text) ?? new Uint8Array(32);

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
