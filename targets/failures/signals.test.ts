// Signals: SIGTERM in time whatever goes on, SIGHUP with a bad configuration, SIGKILL and the start after it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { Configured, controlConfig, headendConfig, makeIdentity, scratch, settopConfig } from "./bundles.testkit.ts";

const folder = scratch("signals");
makeIdentity("settop", "box", join(folder, "box.json"));
makeIdentity("headend", "headend", join(folder, "headend.json"));

async function endsInTime(bundle: Configured): Promise<void> {
  const { code, took } = await bundle.stop();
  assert.equal(code, 0, bundle.text);
  assert.ok(took < 2000, `${took} ms`);
}

test("a set-top keeps its configuration when the new one has faults, or cannot be carried out", async () => {
  const settop = new Configured("settop", folder, settopConfig(folder));
  await settop.running();
  const right = JSON.parse(readFileSync(settop.file, "utf8"));
  writeFileSync(settop.file, "{");
  settop.signal("SIGHUP");
  await settop.line(/the new configuration has faults: going on with the old one/);
  writeFileSync(settop.file, JSON.stringify({ ...right, output: { form: "file", path: "/nonexistent/out.ts" } }));
  settop.signal("SIGHUP");
  await settop.line(/output\.failed.*going on with the old configuration/);
  writeFileSync(settop.file, JSON.stringify(right));
  settop.signal("SIGHUP");
  await settop.line(/configuration reloaded/);
  assert.equal((await settop.status()).channels.length, 1);
  await endsInTime(settop);
});

test("a killed process leaves nothing that keeps the next one from starting", async () => {
  for (const [target, config] of [
    ["control", controlConfig(folder)],
    ["settop", settopConfig(folder)],
    ["headend", headendConfig(folder, { channels: [channelFrom(0)] })],
  ] as const) {
    const first = new Configured(target, folder, config);
    await first.running();
    assert.equal((await first.stop("SIGKILL")).signal, "SIGKILL");
    assert.ok(existsSync(join(folder, `${target}.sock`)));
    const second = new Configured(target, folder, config);
    await second.running();
    await endsInTime(second);
  }
});

function channelFrom(n: number): object {
  const input = { kind: "file", path: "scripts/sample/test-card.mpegts" };
  return { id: `c${n}`, group: `239.255.78.${n + 1}`, port: 5004, input };
}

test("with a broker that accepts and never says a word, every participant ends in time", async () => {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as { port: number };
  const broker = { url: `mqtt://127.0.0.1:${port}` };
  for (const [target, config] of [
    ["settop", settopConfig(folder, { broker })],
    ["headend", headendConfig(folder, { broker, channels: Array.from({ length: 8 }, (_, n) => channelFrom(n)) })],
  ] as const) {
    const bundle = new Configured(target, folder, config);
    const connected = once(silent, "connection");
    await bundle.running();
    await connected;
    await endsInTime(bundle);
  }
  silent.close();
});

test("a broker that speaks garbage is named; attempts grow apart and the process goes on", async () => {
  const garbage = createServer((socket) => socket.on("error", () => {}).end(Buffer.alloc(4096, 0xf7)));
  garbage.listen(0, "127.0.0.1");
  await once(garbage, "listening");
  const { port } = garbage.address() as { port: number };
  const settop = new Configured(
    "settop",
    folder,
    settopConfig(folder, { broker: { url: `mqtt://127.0.0.1:${port}` } }),
  );
  await settop.line(/"code":"bus\.(unreachable|lost)"/);
  assert.equal((await settop.status()).broker, "away");
  await endsInTime(settop);
  garbage.close();
});

test("a broker that refuses the password says so in the log; the operator sees it counted", async () => {
  const control = new Configured("control", folder, controlConfig(folder));
  await control.running();
  const port = (await control.status()).broker.ports[0];
  const settop = new Configured(
    "settop",
    folder,
    settopConfig(folder, { broker: { url: `mqtt://127.0.0.1:${port}` } }),
  );
  await settop.line(/"code":"bus\.credentials".*refused by the broker: unknown id or password/);
  await control.see("the refusal", ({ broker }) => broker.drops["broker.credentials"] > 0 || undefined);
  await endsInTime(settop);
  await endsInTime(control);
});
