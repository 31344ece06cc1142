// Key requests a second that `control` answers (session, inquiry, transaction on disk, sealed grant) beside a bare MQTT echo through
// the same kind of broker (aedes in the server's own process); the same clients, in a closed loop.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { System } from "../lab/system.mjs";
import { answersPerSecond, connectClient } from "./support/closed-loop.mjs";
import { keyClient } from "./support/key-client.mjs";

const CLIENTS = 64;
const PACE = { warmUp: 1500, span: 5000 };
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

/** @param {{ ask: () => Promise<void>, end: () => Promise<void> }[]} clients */
async function measure(clients) {
  try {
    return await answersPerSecond(
      clients.map(({ ask }) => ask),
      PACE,
    );
  } finally {
    await Promise.all(clients.map(({ end }) => end()));
  }
}

const ids = Array.from({ length: CLIENTS }, (_, index) => `client${index}`);

async function echoRate() {
  const server = spawn(process.execPath, [`${import.meta.dirname}/support/echo-broker.mjs`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [port] = await once(server.stdout, "data");
    return await measure(await Promise.all(ids.map((id) => echoClient(`mqtt://127.0.0.1:${Number(port)}`, id))));
  } finally {
    server.kill();
  }
}

async function controlRate() {
  const system = await System.start({ loopback: true, loop: SAMPLE, interval: 300 });
  try {
    const clients = [];
    for (const id of ids) clients.push(await keyClient(system, id));
    return await measure(clients);
  } finally {
    await system.close();
  }
}

export async function run() {
  const theirs = await echoRate();
  const ours = await controlRate();
  return [
    { name: "key requests answered by control", unit: "1/s", ours, against: "bare MQTT echo through aedes", theirs },
  ];
}
