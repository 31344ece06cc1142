// A bundle with one channel, from its first key to its end: the set-top's, or the headend's.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createIdentity } from "../../../build/hal/identity/file.js";
import { ask } from "../../../build/targets/shared/admin.js";
import { startKeyServer } from "./key-server.mjs";

const DIST = resolve(import.meta.dirname, "../../../dist");
/** Where the encrypted stream is, and where the clear one comes out of a set-top or goes into a headend. */
export const GROUP = "239.255.77.9";
export const PORT = 5500;
export const OUT = 5501;
const WAIT = 60_000;

/** @typedef {{ pid: number, status(): Promise<any>, stop(): Promise<void> }} Box */

/** @param {string} folder @param {object} [more] of its configuration @returns {Promise<Box>} */
export function startSettop(folder, more = {}) {
  const config = {
    id: "box-1",
    journal: join(folder, "receptions.json"),
    interfaceAddress: "127.0.0.1",
    channels: [{ id: "one", group: GROUP, port: PORT }],
    tune: ["one"],
    output: { form: "udp", port: OUT },
    ...more,
  };
  const isReady = (/** @type {any} */ channel) =>
    channel?.viewing.membership.kind === "joined" && channel.epochs?.length > 0;
  return start("settop", config, folder, isReady);
}

/** @param {string} folder @param {object} [more] of its configuration @returns {Promise<Box>} */
export function startHeadend(folder, more = {}) {
  const input = { kind: "udp", address: "127.0.0.1", port: OUT };
  const channel = { id: "one", group: GROUP, port: PORT, input, position: "zero", interval: 300, lead: 0.5 };
  const config = { id: "head-1", interfaceAddress: "127.0.0.1", ttl: 1, channels: [channel], ...more };
  return start("headend", config, folder, (/** @type {any} */ one) => one?.epoch !== undefined);
}

/**
 * @param {"settop" | "headend"} role
 * @param {{ id: string }} own of its configuration
 * @param {string} folder
 * @param {(channel: any) => boolean} isReady
 * @returns {Promise<Box>}
 */
async function start(role, own, folder, isReady) {
  const server = await startKeyServer(role, own.id);
  const [identity, path, socket] = ["identity.json", "config.json", "sock"].map((name) => `${folder}/${name}`);
  if (identity === undefined || path === undefined || socket === undefined) throw new Error("no paths");
  createIdentity(identity, server.identity);
  const keyServer = { id: "keys", publicKey: server.publicKey };
  const config = {
    ...own,
    identity,
    socket,
    log: { level: "warn" },
    broker: { url: server.url },
    keyServer: role === "settop" ? { ...keyServer, noticeKey: server.noticeKey } : keyServer,
  };
  writeFileSync(path, JSON.stringify(config));
  const child = spawn(process.execPath, [join(DIST, `${role}.cjs`), "--config", path], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const exited = once(child, "exit");
  const box = {
    pid: child.pid ?? 0,
    status: async () => (await ask(socket, "/status"))?.body,
    async stop() {
      child.kill("SIGTERM");
      await exited;
      await server.close();
    },
  };
  try {
    await untilReady(box, isReady, () => child.exitCode !== null);
    return box;
  } catch (error) {
    await box.stop();
    throw error;
  }
}

/** @param {{ status(): Promise<any> }} box @param {(channel: any) => boolean} isReady @param {() => boolean} hasEnded */
async function untilReady(box, isReady, hasEnded) {
  const limit = performance.now() + WAIT;
  while (!isReady((await box.status().catch(() => undefined))?.channels?.[0])) {
    if (hasEnded()) throw new Error("what is measured has ended");
    if (performance.now() > limit) throw new Error("what is measured has no key after 60 s");
    await new Promise((done) => setTimeout(done, 50));
  }
}
