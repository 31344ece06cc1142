// A participant whom the broker does not let in says so, in `status` and in its log; control says who knocked, from where, how often.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Role } from "../../core/control/participant.ts";
import { freeTcpPort, freeUdpPort } from "../../hal/free-port.testkit.ts";
import type { Identity } from "../../hal/identity/identity.ts";
import {
  Configured,
  headendConfig,
  hex,
  isRoot,
  type Json,
  makeIdentity,
  SOME_KEY,
  scratch,
  settopConfig,
} from "./bundles.testkit.ts";
import { System } from "./system.testkit.ts";

const MOSQUITTO = "/usr/sbin/mosquitto";
const WORDS = "refused by the broker: unknown id or password";
const folder = scratch("refused");

const INPUT = { kind: "udp", address: "127.0.0.1", port: await freeUdpPort() };

/** The bundles that speak to a broker; a router needs raw sockets. */
const SPEAKERS = {
  settop: "settop",
  headend: "headend",
  keyserver: "keyserver",
  reception: "reception",
  ...(isRoot ? { router: "router" as const } : {}),
} as const satisfies Readonly<Record<string, Role>>;
type Speaker = keyof typeof SPEAKERS;
const speakers = Object.keys(SPEAKERS) as Speaker[];

/** A bundle with an identity of its own in a folder of its own; `admit` may tell the broker of it. */
async function speaker(
  target: Speaker,
  id: string,
  broker: object,
  admit: (role: Role, identity: Identity) => Promise<void>,
): Promise<Configured> {
  const home = join(folder, id);
  mkdirSync(home);
  const identity = makeIdentity(SPEAKERS[target] as Role, id, join(home, "identity.json"));
  await admit(SPEAKERS[target] as Role, identity);
  return new Configured(target, home, configOf(target, id, home, { broker }));
}

function configOf(target: Speaker, id: string, home: string, more: object): object {
  const own = { id, identity: join(home, "identity.json"), ...more };
  const peer = { id: "somebody", publicKey: SOME_KEY };
  switch (target) {
    case "settop":
      return settopConfig(home, own);
    case "headend":
      return headendConfig(home, {
        ...own,
        channels: [{ id: "one", group: "239.255.78.9", port: 5004, input: INPUT }],
      });
    case "keyserver":
      return { ...own, store: { path: join(home, "keys.db") }, reception: peer, headends: [] };
    case "reception":
      return { ...own, store: { path: join(home, "receptions.db") }, keyServers: [peer] };
    case "router":
      return { ...own, downstreams: [{ interface: "nowhere0" }], forwarding: "none", taps: false, reception: peer };
  }
}

/** What a bundle's status says of the broker. */
const standing = (target: Speaker, status: Json): Json => (target === "router" ? status.control : status);

async function isRefused(bundle: Configured, target: Speaker): Promise<void> {
  const fault = await bundle.see("that it is refused", (status: Json) => {
    const { broker, brokerFault } = standing(target, status);
    return broker === "refused" && brokerFault;
  });
  assert.equal(fault, WORDS, target);
  const line = JSON.parse(await bundle.line(/bus\.credentials/));
  assert.equal(line.level, 40, `${target} warns`);
  assert.match(line.msg, new RegExp(`${WORDS}$`));
}

async function darkFor(settop: Configured): Promise<Json> {
  return settop.see(
    "why it is dark",
    ({ channels: [one] }: Json) => one?.dark?.reason === "broker-refused" && one.dark,
  );
}

test("control: a wrong password and an unknown id are told at the participant, and at control with id, address and count", async () => {
  const system = await System.start(folder, "239.255.79.21");
  after(() => system.close());
  const { control } = system;
  const broker = { url: system.broker.url };
  const add = (role: Role, { id, x25519 }: Identity, password: string): Promise<Json> => {
    const known = { id, publicKey: hex(x25519.publicKey), password };
    return role === "settop"
      ? control.command("device.add", { ...known, subscriber: "alice" })
      : control.command("service.add", { ...known, role });
  };
  let unknown: Identity | undefined;
  const stranger = await speaker("settop", "stranger", broker, async (_, identity) => {
    unknown = identity;
  });
  const known = await Promise.all(
    speakers.map((target) => speaker(target, `known-${target}`, broker, (role, own) => add(role, own, "another word"))),
  );
  await isRefused(stranger, "settop");
  assert.deepEqual(await darkFor(stranger), { reason: "broker-refused", text: WORDS });
  for (const [n, bundle] of known.entries()) await isRefused(bundle, speakers[n] as Speaker);

  const rows: Json[] = await control.command("denials");
  const of = (client: string): Json => rows.find((row) => row.client === client);
  assert.equal(of("stranger").reason, "broker: unknown id");
  for (const target of speakers) assert.equal(of(`known-${target}`).reason, "broker: wrong password", target);
  assert.ok(of("stranger").address === "127.0.0.1" && of("stranger").count >= 1, JSON.stringify(of("stranger")));
  assert.ok(of("stranger").first <= of("stranger").at);
  const { refused } = (await control.status()).broker;
  assert.equal(refused.clients, speakers.length + 1);
  assert.ok(refused.newest.some(({ client }: Json) => client === "stranger"));
  await control.line(/"msg":"the broker refuses stranger at 127\.0\.0\.1: unknown id"/);
  const shown = spawnSync(process.execPath, ["dist/control.cjs", "--config", control.file, "denials"], {
    encoding: "utf8",
  });
  assert.match(shown.stdout, /stranger +127\.0\.0\.1 +broker: unknown id/);

  // Registered later, it gets in by itself.
  if (unknown !== undefined) await add("settop", unknown, unknown.password);
  await stranger.see("the broker", ({ broker }: Json) => broker === "connected");
  for (const bundle of [...known, stranger, control]) assert.equal((await bundle.stop()).code, 0);
});

test("control: a box that speaks MQTT 5 is told which entry to change, and control shows it", async () => {
  const home = join(folder, "version");
  mkdirSync(home);
  const system = await System.start(home, "239.255.79.22");
  after(() => system.close());
  const identity = await system.admit("settop", "modern");
  const broker = { url: system.broker.url, protocolVersion: 5 };
  const settop = new Configured("settop", home, system.settopConfig(identity.id, { broker }));
  assert.match((await darkFor(settop)).text, /does not speak this version of MQTT/);
  assert.match(await settop.line(/bus\.version/), /broker\.protocolVersion/);
  const rows: Json[] = await system.control.command("denials");
  assert.deepEqual(
    rows.map(({ client, reason, detail }) => [client, reason, detail]),
    [["modern", "broker: MQTT version that this broker does not speak", "MQTT 5, this broker speaks 3.1.1"]],
  );
  for (const bundle of [settop, system.control]) assert.equal((await bundle.stop()).code, 0);
});

/** Mosquitto with these passwords, by id. */
async function mosquitto(port: number, passwords: Readonly<Record<string, string>>): Promise<ChildProcess> {
  const [users, configuration] = [join(folder, "mosquitto.users"), join(folder, "mosquitto.conf")];
  const lines = Object.entries(passwords).map(([id, password]) => `${id}:${password}\n`);
  writeFileSync(users, lines.join(""), { mode: 0o600 });
  spawnSync("mosquitto_passwd", ["-U", users]);
  const listener = [`listener ${port} 127.0.0.1`, "allow_anonymous false", `password_file ${users}`];
  // Started by root it would become its own user, who may not read this folder.
  writeFileSync(configuration, [...listener, "persistence false", "log_dest stderr", "user root"].join("\n"));
  const child = spawn(MOSQUITTO, ["-c", configuration], { stdio: ["ignore", "ignore", "pipe"] });
  after(() => child.kill("SIGKILL"));
  for await (const line of child.stderr) if (String(line).includes("running")) break;
  return child;
}

test("Mosquitto: the same words at every participant, MQTT 3.1.1 and 5", {
  skip: existsSync(MOSQUITTO) ? false : `${MOSQUITTO} is not installed`,
}, async () => {
  const port = await freeTcpPort();
  const passwords = Object.fromEntries(speakers.map((target) => [`mq-${target}`, "another word"]));
  const child = await mosquitto(port, passwords);
  const url = `mqtt://127.0.0.1:${port}`;
  const nobody = async (): Promise<void> => {};
  const bundles = await Promise.all([
    ...speakers.map(async (target, n) => {
      const broker = { url, protocolVersion: n % 2 === 0 ? 4 : 5 };
      return [target, await speaker(target, `mq-${target}`, broker, nobody)] as const;
    }),
    ...[4, 5].map(async (protocolVersion) => {
      const broker = { url, protocolVersion };
      return ["settop" as const, await speaker("settop", `mq-stranger-${protocolVersion}`, broker, nobody)] as const;
    }),
  ]);
  for (const [target, bundle] of bundles) await isRefused(bundle, target);
  for (const [target, bundle] of bundles) if (target === "settop") assert.equal((await darkFor(bundle)).text, WORDS);
  for (const [, bundle] of bundles) assert.equal((await bundle.stop()).code, 0);
  child.kill();
  await once(child, "exit");
});
