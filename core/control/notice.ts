// 91, the key change notice: public, retained, signed by the key server, so that the broker can delay it but not invent one.
//   0 version 1 | 1 Ed25519 signature 64 | 65 CBOR of the notice
import { encode } from "cborg";
import * as v from "valibot";
import type { Primitives } from "../ports/primitives.ts";
import { decodePlainCbor, describeIssue } from "./codec.ts";
import { concatenate } from "./hpke.ts";
import { NOTICE, type Notice } from "./messages.ts";

const VERSION = 1;
const SIGNATURE = 1;
const SIGNATURE_LENGTH = 64;
const BODY = SIGNATURE + SIGNATURE_LENGTH;

/** Octets of a whole notice. */
export const NOTICE_LIMIT = 1024;

/** Signed before the body, so that the signature serves for nothing else. */
const DOMAIN = Uint8Array.from("sealcast/1 notice\0", (character) => character.charCodeAt(0));

/** channel: signed for another channel than the topic's. The rest as for messages. */
export type NoticeDrop =
  | "notice.truncated"
  | "notice.oversized"
  | "notice.version"
  | "notice.forged"
  | "notice.malformed"
  | "notice.invalid"
  | "notice.channel";

/** Why octets are no notice of this channel. */
export interface BadNotice {
  readonly drop: NoticeDrop;
  readonly detail: string;
}

/** Throws RangeError for a notice that no receiver would take. */
export function sealNotice(primitives: Primitives, privateKey: Uint8Array, notice: Notice): Uint8Array {
  const result = v.safeParse(NOTICE, notice, { abortEarly: true });
  if (!result.success) throw new RangeError(describeIssue("notice", result.issues[0]));
  const body = encode(notice);
  const signature = primitives.ed25519Sign(privateKey, concatenate(DOMAIN, body));
  return concatenate(Uint8Array.of(VERSION), signature, body);
}

/** The notice, signed by `publicKey` (Ed25519) and for the channel of its topic, or why not. */
export function openNotice(
  primitives: Primitives,
  publicKey: Uint8Array,
  channel: string,
  payload: Uint8Array,
): Notice | BadNotice {
  if (payload.length > NOTICE_LIMIT) return refuse("notice.oversized");
  if (payload.length <= BODY) return refuse("notice.truncated");
  if (payload[0] !== VERSION) return refuse("notice.version");
  const body = payload.subarray(BODY);
  const signed = primitives.ed25519Verify(publicKey, concatenate(DOMAIN, body), payload.subarray(SIGNATURE, BODY));
  if (!signed) return refuse("notice.forged");
  const decoded = decodePlainCbor(body, NOTICE_LIMIT);
  if (decoded.kind !== "value") return refuse("notice.malformed");
  const result = v.safeParse(NOTICE, decoded.value, { abortEarly: true });
  if (!result.success) return refuse("notice.invalid", describeIssue("notice", result.issues[0]));
  return result.output.channel === channel ? result.output : refuse("notice.channel", result.output.channel);
}

/** Tells a failure of `openNotice` from a notice. */
export const isBadNotice = (result: Notice | BadNotice): result is BadNotice => "drop" in result;

const refuse = (drop: NoticeDrop, detail = ""): BadNotice => ({ drop, detail });
