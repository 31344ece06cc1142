// Manifests: what a sender signs of its stream, so that a member of the group, who holds the group's key as the sender does, cannot
// send in its name. In the manner of AMBI (draft-ietf-mboned-ambi): digests of the packets as they are on the wire, a list of them signed.
//
// A manifest is an RTCP APP packet (RFC 3550 section 6.7) on the stream's own port (RFC 5761): one way is enough, and no other group,
// port or join is needed. Who does not know it drops it, as SRTCP that does not authenticate (RFC 3711 section 3.4), or for its SSRC.
//   0 V=2, subtype 1 | 1 PT=204 | 2 length in words - 1 | 4 SSRC | 8 "SCMA" | 12 epoch | 16 number | 20 sealed | padding of 0 to 3 octets
// Sealed (AES-128-GCM under a key that comes from the epoch's, so that only members cost us a signature's check; octets 0 to 19 are
// authenticated with it): signature 64 | digests, 16 octets each.
// Signed (Ed25519): DOMAIN | channel | 0 | SSRC | epoch | number | digests.
import { readUint16, readUint32, writeUint16, writeUint32 } from "../base/bytes.ts";
import type { Primitives } from "../ports/primitives.ts";

/** Octets of a digest: SHA-256, cut; to find another packet for one takes 2^128 attempts. */
export const DIGEST = 16;
/** Digests in one manifest: it stays within a packet of 1,500 octets. */
export const MOST_DIGESTS = 64;

/** Why a datagram was not taken as a manifest. */
export type ManifestDrop =
  /** Not as long as it says, or of no whole number of digests. */
  | "manifest.malformed"
  /** Of another stream. */
  | "manifest.ssrc"
  /** Not sealed by somebody who holds the epoch's key. */
  | "manifest.bad-tag"
  /** By a member, who is not the sender. */
  | "manifest.forged";

const APP = 204;
const SUBTYPE = 1;
const TYPE = 1;
const LENGTH = 2;
const SSRC = 4;
const NAME = 8;
const EPOCH = 12;
const NUMBER = 16;
const SEALED = 20;
const TAG = 16;
const SIGNATURE = 64;
const LEAST = SEALED + SIGNATURE + DIGEST + TAG;
const VERSION_2 = 0x80;

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
const APP_NAME = readUint32(ascii("SCMA"), 0);
const DOMAIN = "sealcast/1 manifest\0";
const KEY_INFO = ascii("sealcast/1 manifest key");

/** Of one stream: the channel's id and the SSRC. */
export interface ManifestStream {
  readonly channel: string;
  readonly ssrc: number;
}

/** What a manifest says: each `number` once under an epoch. */
export interface Manifest {
  readonly epoch: number;
  readonly number: number;
  /** One after the other, `DIGEST` octets each. */
  readonly digests: Uint8Array;
}

/** The digest of a packet as it is on the wire. */
export const digestOf = (primitives: Primitives, packet: Uint8Array): Uint8Array =>
  primitives.sha256(packet).subarray(0, DIGEST);

/** What seals the manifests of an epoch, from its master key and salt: 16 octets, a secret of the members. */
export function manifestKey(primitives: Primitives, masterKey: Uint8Array, masterSalt: Uint8Array): Uint8Array {
  const secret = primitives.hkdfExtract(masterSalt, masterKey);
  const key = primitives.hkdfExpand(secret, KEY_INFO, 16);
  secret.fill(0);
  return key;
}

/** The datagram. `key`: `manifestKey` of the epoch; `signingKey`: Ed25519, private. 1 to `MOST_DIGESTS` digests, else RangeError. */
export function writeManifest(
  primitives: Primitives,
  key: Uint8Array,
  signingKey: Uint8Array,
  stream: ManifestStream,
  { epoch, number, digests }: Manifest,
): Uint8Array {
  const count = digests.length / DIGEST;
  if (!Number.isInteger(count) || count < 1 || count > MOST_DIGESTS) throw new RangeError(`${count} digests`);
  const text = new Uint8Array(SIGNATURE + digests.length);
  const datagram = new Uint8Array(SEALED + text.length + TAG);
  datagram[0] = VERSION_2 | SUBTYPE;
  datagram[TYPE] = APP;
  writeUint16(datagram, LENGTH, datagram.length / 4 - 1);
  writeUint32(datagram, SSRC, stream.ssrc);
  writeUint32(datagram, NAME, APP_NAME);
  writeUint32(datagram, EPOCH, epoch);
  writeUint32(datagram, NUMBER, number);
  text.set(primitives.ed25519Sign(signingKey, signedOf(stream, datagram, digests)));
  text.set(digests, SIGNATURE);
  datagram.set(primitives.gcmSeal(key, nonceOf(datagram), datagram.subarray(0, SEALED), text), SEALED);
  return datagram;
}

/** Whether a datagram of the stream's port is a manifest, or is meant to be taken for one; no RTP packet is. */
export const isManifest = (datagram: Uint8Array): boolean =>
  datagram.length >= SEALED && datagram[TYPE] === APP && readUint32(datagram, NAME) === APP_NAME;

/** The epoch of what `isManifest`, as it says without proof. */
export const manifestEpoch = (datagram: Uint8Array): number => readUint32(datagram, EPOCH);

/** Its number under that epoch, likewise. */
export const manifestNumber = (datagram: Uint8Array): number => readUint32(datagram, NUMBER);

/** Checks the form of what `isManifest`, before any key is used. */
export function checkManifest(datagram: Uint8Array, ssrc: number): ManifestDrop | undefined {
  const isWhole = (datagram.length - LEAST) % DIGEST === 0 && readUint16(datagram, LENGTH) === datagram.length / 4 - 1;
  const isShaped = datagram[0] === (VERSION_2 | SUBTYPE) && datagram.length >= LEAST && isWhole;
  if (!isShaped || datagram.length > LEAST + (MOST_DIGESTS - 1) * DIGEST) return "manifest.malformed";
  return readUint32(datagram, SSRC) === ssrc ? undefined : "manifest.ssrc";
}

/** Opens what `checkManifest` let pass: what a member has said. Whether that is the sender, `isSigned` tells. */
export function openManifest(primitives: Primitives, key: Uint8Array, datagram: Uint8Array): Uint8Array | ManifestDrop {
  const text = primitives.gcmOpen(key, nonceOf(datagram), datagram.subarray(0, SEALED), datagram.subarray(SEALED));
  return text ?? "manifest.bad-tag";
}

/** The digests in `text`, which `openManifest` gave, if the sender has signed them. `signer`: its public key, Ed25519. */
export function signedDigests(
  primitives: Primitives,
  signer: Uint8Array,
  stream: ManifestStream,
  datagram: Uint8Array,
  text: Uint8Array,
): Uint8Array | ManifestDrop {
  const digests = text.subarray(SIGNATURE);
  const signed = signedOf(stream, datagram, digests);
  return primitives.ed25519Verify(signer, signed, text.subarray(0, SIGNATURE)) ? digests : "manifest.forged";
}

/** Each number comes once under an epoch's key, which is the channel's alone. */
function nonceOf(datagram: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(12);
  nonce.set(datagram.subarray(EPOCH, SEALED), 4);
  return nonce;
}

function signedOf({ channel }: ManifestStream, datagram: Uint8Array, digests: Uint8Array): Uint8Array {
  const domain = ascii(`${DOMAIN}${channel}\0`);
  const head = domain.length + 4;
  const signed = new Uint8Array(head + 8 + digests.length);
  signed.set(domain);
  signed.set(datagram.subarray(SSRC, NAME), domain.length);
  signed.set(datagram.subarray(EPOCH, SEALED), head);
  signed.set(digests, head + 8);
  return signed;
}
