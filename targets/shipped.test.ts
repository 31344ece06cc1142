// What we ship as an example works with what we ship: its own bundle takes it, and our own broker the version of MQTT it speaks.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import * as v from "valibot";
import type { HalError } from "../core/ports/errors.ts";
import { Broker } from "../hal/bus/broker.ts";
import { MqttBuses } from "../hal/bus/mqtt.ts";
import { systemClock } from "../hal/clock/system.ts";
import { systemEntropy } from "../hal/entropy/system.ts";
import { controlConfig } from "./control/config.ts";
import { makeIdentity, SOME_KEY, scratch, type TargetName, until } from "./failures/bundles.testkit.ts";
import { routerConfig } from "./router/config.ts";
import { BUSYBOX, runInit, settingsOf } from "./router/openwrt/init.testkit.ts";
import { settopConfig } from "./settop/config.ts";
import { checkConfig, loadConfig } from "./shared/config.ts";

const UCI = "targets/router/openwrt/files/etc/config/sealcast-router";
const UNIT = "targets/settop/systemd/sealcast-settop.service";
const SYSV = "targets/settop/sysv/sealcast-settop";

const folder = scratch("shipped");
let broker: Broker | undefined;
before(async () => {
  broker = await Broker.start({ listeners: [{ host: "127.0.0.1", port: 0 }], authenticate: () => "settop" });
});
after(() => broker?.close());

const url = (): string => `mqtt://127.0.0.1:${broker?.ports[0]}`;

/** Rejects with what the driver says when our broker does not let it in. */
async function isLetIn(version: 4 | 5): Promise<void> {
  const buses = new MqttBuses({ url: url(), password: "any", version }, systemClock, systemEntropy);
  await new Promise<void>((resolve, reject) => {
    const down = (error: HalError): void => void bus.close().then(() => reject(error));
    const up = (): void => void bus.close().then(resolve);
    const bus = buses.connect({ clientId: "example", filters: [] }, { message: () => {}, up, down });
  });
}

function isTaken(target: TargetName, args: readonly string[]): void {
  const done = spawnSync(process.execPath, [`dist/${target}.cjs`, ...args, "check-config"], { encoding: "utf8" });
  assert.equal(done.status, 0, `${target}: ${done.stderr}`);
}

const fileOf = (name: string, content: object | string): string => {
  const file = join(folder, name);
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
};

test("our own broker does not speak MQTT 5: an example that did would be refused here", async () => {
  await assert.rejects(isLetIn(5), { code: "bus.version" });
});

/** The UCI file in the shim's form, what is commented out included; sections without a name get one. */
function uciLines(text: string): string {
  let section = "";
  let count = 0;
  const lines = text.split("\n").flatMap((line) => {
    const [, kind, name, value = ""] = /^#?\s*(config|option|list) (\S+)(?: '([^']*)')?/.exec(line) ?? [];
    if (kind === undefined) return [];
    if (kind !== "config") return [`${kind} ${section} ${name} ${value}`];
    section = value === "" ? `cfg${count++}` : value;
    return [`section ${name} ${section}`];
  });
  return `${lines.join("\n")}\n`;
}

test("OpenWrt: the UCI example, also with all that is commented out", {
  skip: BUSYBOX === undefined && "needs busybox",
}, async () => {
  const example = readFileSync(UCI, "utf8").replace("<64 hexadecimal digits>", SOME_KEY);
  const lines = uciLines(example).replace("option main enabled 0", "option main enabled 1");
  const run = runInit(join(folder, "uci"), lines, "start_service");
  const settings = settingsOf(run);
  isTaken("router", ["--config", run.file, ...settings.flatMap((setting) => ["--set", setting])]);
  const checked = loadConfig(routerConfig, run.file, settings);
  assert.ok(checked.ok && checked.config.broker !== undefined);
  await isLetIn(checked.config.broker.protocolVersion);
  const control = v.parse(controlConfig, {});
  assert.equal(checked.config.reception?.id, control.reception.id, "the name that control gives its reception server");
});

/** A set-top's configuration with the paths that the unit's head tells. */
function unitExample(): Record<string, unknown> {
  const told = [...readFileSync(UNIT, "utf8").matchAll(/^# {3}"(\w+)": +"([^"]+)"/gm)];
  assert.equal(told.length, 3);
  return Object.fromEntries(told.map(([, entry, value]) => [entry ?? "", value]));
}

const SETTOP = {
  id: "example",
  keyServer: { id: "key-server", publicKey: SOME_KEY, noticeKey: SOME_KEY },
  channels: [{ id: "one", group: "239.255.77.3", port: 15_004 }],
};

test("systemd: the paths of the unit, and defaults for all else", async () => {
  const config: Record<string, unknown> = { ...unitExample(), ...SETTOP, broker: { url: url() } };
  isTaken("settop", ["--config", fileOf("systemd.json", config)]);
  const checked = checkConfig(settopConfig, config, []);
  assert.ok(checked.ok);
  await isLetIn(checked.config.broker.protocolVersion);
  const folders = [config.socket, config.journal].map((path) => String(path).split("/").slice(0, -1).join("/"));
  const unit = readFileSync(UNIT, "utf8");
  assert.deepEqual(folders, ["/run/sealcast", "/var/lib/sealcast"], "what RuntimeDirectory and StateDirectory make");
  assert.match(unit, /^StateDirectory=sealcast$/m);
  assert.match(unit, /^RuntimeDirectory=sealcast$/m);
});

test("SysV: the script starts the bundle, which gets to our broker", {
  skip: BUSYBOX === undefined && "needs busybox",
}, async () => {
  const home = join(folder, "sysv");
  mkdirSync(home);
  makeIdentity("settop", "example", join(home, "identity.json"));
  const path = (name: string): string => join(home, name);
  const config = fileOf("sysv.json", {
    ...SETTOP,
    ...{
      socket: path("socket"),
      identity: path("identity.json"),
      journal: path("journal.json"),
      output: { form: "null" },
    },
    broker: { url: url() },
  });
  const settings = { NODE: process.execPath, BUNDLE: join(process.cwd(), "dist/settop.cjs"), CONFIG: config };
  const files = { PIDFILE: path("pid"), LOG: path("log") };
  const defaults = Object.entries({ ...settings, ...files }).map(([name, value]) => `${name}='${value}'`);
  writeFileSync(path("defaults"), defaults.join("\n"));
  const env = { PATH: process.env.PATH, DEFAULTS: path("defaults") };
  // Not spawnSync: the broker is in this process.
  const init = async (action: string): Promise<string> =>
    (await promisify(execFile)(BUSYBOX ?? "", ["ash", SYSV, action], { env })).stdout;
  try {
    assert.match(await init("start"), /^sealcast-settop started/);
    await until("the broker", async () => /\nbroker connected,/.test(await init("status")) || undefined);
  } finally {
    await init("stop");
  }
});

/** The files that the README writes with `cat > $W/NAME.json <<END`, as the shell would fill them in. */
function readmeFiles(): readonly (readonly [string, Record<string, unknown>])[] {
  const peers = { headend: { id: "key-server", publicKey: SOME_KEY }, settop: SETTOP.keyServer };
  const readme = readFileSync("README.md", "utf8");
  return [...readme.matchAll(/^cat > \$W\/(\w+)\.json <<END\n([\s\S]*?)^END$/gm)].map(([, name = "", text = ""]) => {
    const filled = text
      .replaceAll("$W", folder)
      .replace(/\$\(control peers (\w+)\)/g, (_, role: keyof typeof peers) => JSON.stringify(peers[role]));
    return [name, JSON.parse(filled)] as const;
  });
}

test("README: each configuration that it writes, and its version of MQTT", async () => {
  const bundles: Readonly<Record<string, TargetName>> = { control: "control", studio: "headend", box1: "settop" };
  const files = readmeFiles();
  assert.deepEqual(
    files.map(([name]) => name),
    Object.keys(bundles),
  );
  for (const [name, config] of files) {
    isTaken(bundles[name] as TargetName, ["--config", fileOf(`readme-${name}.json`, config)]);
    const { protocolVersion = 4 } = (config.broker ?? {}) as { protocolVersion?: 4 | 5 };
    await isLetIn(protocolVersion);
  }
});

test("the version of MQTT that stands for none is the documented one, and our broker speaks it", async () => {
  const documented = readFileSync("docs/configuration.md", "utf8");
  const [, told] = /\| `broker\.protocolVersion` \| (\d) \|/.exec(documented) ?? [];
  const checked = checkConfig(settopConfig, { ...SETTOP, identity: "x", broker: { url: url() } }, []);
  assert.ok(checked.ok);
  assert.equal(Number(told), checked.config.broker.protocolVersion);
  await isLetIn(checked.config.broker.protocolVersion);
});
