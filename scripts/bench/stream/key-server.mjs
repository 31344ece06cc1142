// A broker and a key server that grants one key for one channel, for the set-tops that are measured.
import { Endpoint } from "../../../build/core/control/endpoint.js";
import { Mailbox } from "../../../build/core/control/mailbox.js";
import { deriveSessionKeys } from "../../../build/core/stream/key-derivation.js";
import { Broker } from "../../../build/hal/bus/broker.js";
import { nodeCiphers } from "../../../build/hal/cipher/node.js";
import { systemClock } from "../../../build/hal/clock/system.js";
import { systemEntropy } from "../../../build/hal/entropy/system.js";
import { generateIdentity, peerOf } from "../../../build/hal/identity/identity.js";
import { NodePrimitives } from "../../../build/hal/primitives/node.js";

const primitives = new NodePrimitives();
const EPOCH = 1;
const SUITE = "AEAD_AES_128_GCM";
/** As in media.c. */
export const SSRC = 9;
const masterKey = () => new Uint8Array(16).fill(1);
const masterSalt = () => new Uint8Array(12).fill(1);

const hex = (/** @type {Uint8Array} */ octets) => Buffer.from(octets).toString("hex");

/** What media.c takes: the session key, and the vector of index 0 (RFC 7714 8.1). */
export function sessionKeys() {
  const { encryption, salt } = deriveSessionKeys(nodeCiphers, SUITE, masterKey(), masterSalt());
  const vector = salt.slice();
  vector[5] = (vector[5] ?? 0) ^ SSRC;
  return { key: hex(encryption), vector: hex(vector) };
}

/** Master key and salt, as GStreamer takes them. */
export const masterOfAll = () => hex(masterKey()) + hex(masterSalt());

/** @param {string} box id of the set-top */
export async function startKeyServer(box) {
  const keys = generateIdentity("keyserver", "keys", primitives, systemEntropy);
  const identity = generateIdentity("settop", box, primitives, systemEntropy);
  const broker = await Broker.start({
    listeners: [{ host: "127.0.0.1", port: 0 }],
    authenticate: (id) => (id === box ? "settop" : undefined),
  });
  const mailbox = new Mailbox(
    { role: "keyserver", id: "keys", keys: keys.x25519, peers: [peerOf(identity)] },
    primitives,
    systemEntropy,
  );
  const noticeKey = { sign: keys.ed25519?.privateKey ?? new Uint8Array(32) };
  const ignore = () => {};
  const endpoint = new Endpoint(
    broker.local(),
    { mailbox, clock: systemClock, primitives, noticeKey },
    {
      message({ message, request }) {
        const answer = answerTo(message);
        if (request !== undefined && answer !== undefined) endpoint.answer(request, answer);
      },
      notice: ignore,
      up: ignore,
      down: ignore,
      dropped: ignore,
    },
  );
  return {
    identity,
    url: `mqtt://127.0.0.1:${broker.ports[0]}`,
    publicKey: hex(keys.x25519.publicKey),
    noticeKey: hex(keys.ed25519?.publicKey ?? new Uint8Array(32)),
    async close() {
      await endpoint.close();
      await broker.close();
    },
  };
}

/** @param {import("../../../core/control/messages.ts").Message} message @returns {import("../../../core/control/messages.ts").Message | undefined} */
function answerTo(message) {
  if (message.type === "stop") {
    const { id, channel, reception } = message;
    return { type: "stop.acknowledged", id, channel, reception };
  }
  if (message.type !== "key.request") return undefined;
  return {
    type: "key.grant",
    id: message.id,
    channel: message.channel,
    stream: { suite: SUITE, mkiLength: 4, ssrc: SSRC, payloadType: 33 },
    epochs: [{ epoch: EPOCH, masterKey: masterKey(), masterSalt: masterSalt() }],
    current: EPOCH,
    position: { roc: 0, seq: 0, age: 0 },
    refreshWithin: 3_600_000,
  };
}
