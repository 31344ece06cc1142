// Key requests a second that `control` answers (session, inquiry, transaction on disk, sealed grant) beside a bare MQTT echo through
// the same kind of broker (aedes in the server's own process); the same clients, in a closed loop.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { System } from "../lab/system.mjs";
import { answersPerSecond, connectClient } from "./support/closed-loop.mjs";
import { keyClient } from "./support/key-client.mjs";

/** Milliseconds. */
const FULL = { clients: 64, warmUp: 1500, span: 5000 };
const QUICK = { clients: 4, warmUp: 100, span: 500 };
const SAMPLE = resolve(import.meta.dirname, "../sample/test-card.mpegts");

/** @param {string} url @param {string} id */
async function echoClient(url, id) {
  const client = await connectClient(url, id, undefined);
  let answered = () => {};
  client.on("message", () => answered());
  await client.subscribeAsync(`answer/${id}`);
  const payload = Buffer.alloc(250);
  const ask = () =>
    new Promise((/** @type {(value: void) => void} */ done) => {
      answered = done;
      client.publish(`request/${id}`, payload);
    });
  return { ask, end: () => client.endAsync(true) };
}

/**
 * @param {{ ask: () => Promise<void>, end: () => Promise<void> }[]} clients
 * @param {typeof FULL} pace
 */
async function measure(clients, pace) {
  try {
    return await answersPerSecond(
      clients.map(({ ask }) => ask),
      pace,
    );
  } finally {
    await Promise.all(clients.map(({ end }) => end()));
  }
}

const idsOf = (/** @type {number} */ clients) => Array.from({ length: clients }, (_, index) => `client${index}`);

/** @param {typeof FULL} pace */
async function echoRate(pace) {
  const server = spawn(process.execPath, [`${import.meta.dirname}/support/echo-broker.mjs`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [port] = await once(server.stdout, "data");
    const url = `mqtt://127.0.0.1:${Number(port)}`;
    return await measure(await Promise.all(idsOf(pace.clients).map((id) => echoClient(url, id))), pace);
  } finally {
    server.kill();
  }
}

/** @param {typeof FULL} pace */
async function controlRate(pace) {
  const system = await System.start({ loopback: true, loop: SAMPLE, interval: 300 });
  try {
    const clients = [];
    for (const id of idsOf(pace.clients)) clients.push(await keyClient(system, id));
    return await measure(clients, pace);
  } finally {
    await system.close();
  }
}

/** @param {{ quick: boolean }} how */
export async function run({ quick }) {
  const pace = quick ? QUICK : FULL;
  const theirs = await echoRate(pace);
  const ours = await controlRate(pace);
  return [
    { name: "key requests answered by control", unit: "1/s", ours, against: "bare MQTT echo through aedes", theirs },
  ];
}
