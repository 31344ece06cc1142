// A registered device that asks for the key of a channel again and again, as fast as it is answered.
import { Mailbox } from "../../../build/core/control/mailbox.js";
import { systemClock } from "../../../build/hal/clock/system.js";
import { systemEntropy } from "../../../build/hal/entropy/system.js";
import { generateIdentity } from "../../../build/hal/identity/identity.js";
import { NodePrimitives } from "../../../build/hal/primitives/node.js";
import { PACKAGE } from "../../lab/operator.mjs";
import { connectClient } from "./closed-loop.mjs";

const primitives = new NodePrimitives();
const hex = (/** @type {Uint8Array} */ octets) => Buffer.from(octets).toString("hex");

/**
 * @param {import("../../lab/system.mjs").System} system
 * @param {string} id
 */
export async function keyClient(system, id) {
  const identity = generateIdentity("settop", id, primitives, systemEntropy);
  const { operator, keyServer } = system.servers;
  const publicKey = hex(identity.x25519.publicKey);
  // As in life: a household has one box, or a few.
  const subscriber = `household-${id}`;
  await operator.do("subscriber.add", { id: subscriber });
  await operator.do("subscription.add", { subscriber, package: PACKAGE });
  await operator.do("device.add", { id, subscriber, publicKey, password: identity.password });
  /** @type {import("../../../core/control/participant.ts").Peer} */
  const server = { role: "keyserver", id: keyServer.id, publicKey: Buffer.from(keyServer.x25519, "hex") };
  const link = new Mailbox({ role: "settop", id, keys: identity.x25519, peers: [server] }, primitives, systemEntropy);
  const client = await connectClient(system.url, id, identity.password);
  await client.subscribeAsync(`sealcast/1/keys/res/${id}`);

  let answered = (/** @type {any} */ _message) => {};
  client.on("message", (topic, payload) => {
    const received = link.open(systemClock.now(), topic, payload);
    if ("message" in received) answered(received.message);
    else throw new Error(`an answer on ${topic} was dropped: ${received.drop}`);
  });
  const reception = systemEntropy.bytes(16);
  /** @param {"start" | "refresh"} reason */
  const request = (reason) =>
    new Promise((/** @type {(value: void) => void} */ done, reject) => {
      answered = (message) => {
        if (message.type === "key.grant") done();
        else reject(new Error(`not a grant: ${message.type} ${message.reason}`));
      };
      const id = systemEntropy.bytes(16);
      const outgoing = link.seal(systemClock.now(), server, {
        type: "key.request",
        id,
        channel: "one",
        reception,
        reason,
      });
      if ("drop" in outgoing) throw new Error(`our own request cannot be sent: ${outgoing.drop}`);
      client.publish(outgoing.topic, Buffer.from(outgoing.payload));
    });
  await request("start");
  return { ask: () => request("refresh"), end: () => client.endAsync(true) };
}
