// Messages to octets and back: CBOR (RFC 8949) in its plain, definite form, then the schema of the message's type.
import { decode, encode } from "cborg";
import * as v from "valibot";
import { isPlainCbor } from "./cbor-gate.ts";
import { MESSAGES, type Message, type MessageType } from "./messages.ts";

/** Octets of one encoded message. */
export const MESSAGE_LIMIT = 16 * 1024;

/** "message.invalid" comes with the path of the first fault, for the log. */
export type MessageDrop = "message.oversized" | "message.malformed" | "message.unknown-type" | "message.invalid";

/** Why a text is no message, or a message of ours would be none to its receiver. */
export interface BadMessage {
  readonly drop: MessageDrop;
  /** Path and what is wrong there ("epochs.0.masterKey: must be ..."); empty when the octets are not CBOR. */
  readonly detail: string;
}

const DECODING = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
} as const;

/** The message that the octets spell, or why they spell none. Byte strings are copies of the payload's. */
export function decodeMessage(payload: Uint8Array): Message | BadMessage {
  const decoded = decodePlainCbor(payload, MESSAGE_LIMIT);
  if (decoded.kind !== "value") return { drop: `message.${decoded.kind}`, detail: "" };
  const type = typeOf(decoded.value);
  if (type === undefined) return { drop: "message.unknown-type", detail: "" };
  const result = v.safeParse(MESSAGES[type], decoded.value, { abortEarly: true });
  return result.success ? result.output : { drop: "message.invalid", detail: describeIssue(type, result.issues[0]) };
}

/** The octets of a message; "message.invalid" or "message.oversized" when we made one that nobody would accept. */
export function encodeMessage(message: Message): Uint8Array | BadMessage {
  const result = v.safeParse(MESSAGES[message.type], message, { abortEarly: true });
  if (!result.success) return { drop: "message.invalid", detail: describeIssue(message.type, result.issues[0]) };
  const payload = encode(message, { ignoreUndefinedProperties: true });
  return payload.length <= MESSAGE_LIMIT ? payload : { drop: "message.oversized", detail: message.type };
}

/** Tells a failure of `decodeMessage` or `encodeMessage` from what they give. */
export const isBadMessage = (result: object): result is BadMessage => "drop" in result;

/** What octets are as plain CBOR, or why they are none; no schema has looked at the value. */
export type PlainCbor =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "oversized" }
  | { readonly kind: "malformed" };

/** CBOR of at most `limit` octets without tags, indefinite lengths, floats, duplicate or odd keys, and at most 8 levels deep. */
export function decodePlainCbor(payload: Uint8Array, limit: number): PlainCbor {
  if (payload.length > limit) return { kind: "oversized" };
  if (!isPlainCbor(payload)) return { kind: "malformed" };
  try {
    // Through a plain view, so that byte strings are copied even when the payload is a Buffer.
    const octets = new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
    return { kind: "value", value: decode(octets, DECODING) };
  } catch (error) {
    // The library tells bad input by throwing; anything that is not its own error is ours to see.
    if (error instanceof Error && error.message.startsWith("CBOR decode error")) return { kind: "malformed" };
    throw error;
  }
}

function typeOf(value: unknown): MessageType | undefined {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "type")) return undefined;
  const type = (value as { type: unknown }).type;
  return typeof type === "string" && Object.hasOwn(MESSAGES, type) ? (type as MessageType) : undefined;
}

/** "key.request.channel: Invalid format ...", in one line of at most 200 characters. */
export function describeIssue(name: string, issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  return `${name}${path === null ? "" : `.${path}`}: ${issue.message}`.slice(0, 200);
}
