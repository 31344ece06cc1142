// The set-top's bundle with one channel, from its first key to its end.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createIdentity } from "../../../build/hal/identity/file.js";
import { ask } from "../../../build/targets/shared/admin.js";
import { startKeyServer } from "./key-server.mjs";

const BUNDLE = resolve(import.meta.dirname, "../../../dist/settop.cjs");
export const GROUP = "239.255.77.9";
export const PORT = 5500;
export const OUT = 5501;
const WAIT = 60_000;

/** @param {string} folder @param {object} [more] of its configuration @param {string[]} [nodeArguments] */
export async function startBox(folder, more = {}, nodeArguments = []) {
  const server = await startKeyServer("box-1");
  const [identity, path, socket] = ["identity.json", "settop.json", "sock"].map((name) => join(folder, name));
  if (identity === undefined || path === undefined || socket === undefined) throw new Error("no paths");
  createIdentity(identity, server.identity);
  const config = {
    id: "box-1",
    identity,
    journal: join(folder, "receptions.json"),
    socket,
    log: { level: "warn" },
    broker: { url: server.url },
    keyServer: { id: "keys", publicKey: server.publicKey, noticeKey: server.noticeKey },
    interfaceAddress: "127.0.0.1",
    channels: [{ id: "one", group: GROUP, port: PORT }],
    tune: ["one"],
    output: { form: "udp", port: OUT },
    ...more,
  };
  writeFileSync(path, JSON.stringify(config));
  const child = spawn(process.execPath, [...nodeArguments, BUNDLE, "--config", path], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const exited = once(child, "exit");
  const box = {
    pid: child.pid ?? 0,
    /** @returns {Promise<any>} */
    status: async () => (await ask(socket, "/status"))?.body,
    async stop() {
      child.kill("SIGTERM");
      await exited;
      await server.close();
    },
  };
  try {
    await untilReady(box, () => child.exitCode !== null);
    return box;
  } catch (error) {
    await box.stop();
    throw error;
  }
}

/** Until it has joined and has a key. @param {{ status(): Promise<any> }} box @param {() => boolean} hasEnded */
async function untilReady(box, hasEnded) {
  const limit = performance.now() + WAIT;
  for (;;) {
    const [channel] = (await box.status().catch(() => undefined))?.channels ?? [];
    if (channel?.viewing.membership.kind === "joined" && channel.epochs?.length > 0) return;
    if (hasEnded()) throw new Error("the set-top has ended");
    if (performance.now() > limit) throw new Error("the set-top has no key after 60 s");
    await new Promise((done) => setTimeout(done, 50));
  }
}
