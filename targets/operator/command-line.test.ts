// The operator's command line, with and without a running server, and what a killed server still knows.
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fromHex } from "../../core/base/bytes.ts";
import { freeTcpPort } from "../../hal/free-port.testkit.ts";
import { ParticipantUnderTest, ServerUnderTest } from "../control/servers.testkit.ts";

const folder = mkdtempSync(join(tmpdir(), "sealcast-operator-"));
after(() => rmSync(folder, { recursive: true }));

let places = 0;
async function control(init = true): Promise<{ server: ServerUnderTest; port: number; at: string }> {
  const at = mkdtempSync(join(folder, `${places++}-`));
  const port = await freeTcpPort();
  const server = new ServerUnderTest("control", at, {
    broker: { listeners: [{ port }] },
    keyServer: { identity: join(at, "keys.json") },
    reception: { identity: join(at, "reception.json") },
    store: { path: join(at, "store", "control.db") },
    grace: 5,
  });
  if (init) assert.equal(server.run("init").code, 0);
  return { server, port, at };
}

test("without a running server the commands work on the store itself", async () => {
  const { server, at } = await control();
  assert.deepEqual(server.json("channel", "add", "one", "--title", "The first"), { done: true });
  assert.deepEqual(server.json("package", "add", "base", "one"), { done: true });
  assert.deepEqual(server.json("subscriber", "add", "payer", "--name", "A. Payer", "--concurrent", "2"), {
    done: true,
  });
  server.json("subscription", "add", "payer", "base", "--from", "2026-01-01", "--until", "2027-01-01T00:00:00Z");
  assert.deepEqual(server.json("subscriber", "list", "--json"), [
    { id: "payer", name: "A. Payer", status: "active", concurrentLimit: 2, packages: ["base"] },
  ]);
  assert.deepEqual(server.json("subscription", "list", "--json"), [
    { subscriber: "payer", package: "base", from: "2026-01-01T00:00:00.000Z", until: "2027-01-01T00:00:00.000Z" },
  ]);
  assert.deepEqual(server.json("package", "list", "--json"), [{ id: "base", channels: ["one"] }]);
  const identity = join(at, "box.json");
  server.json(
    "device",
    "add",
    "box",
    "--subscriber",
    "payer",
    "--mac",
    "02:00:00:00:00:0A",
    "--identity-out",
    identity,
  );
  assert.equal(statSync(identity).mode & 0o777, 0o600);
  const { x25519 } = JSON.parse(readFileSync(identity, "utf8"));
  assert.deepEqual(server.json("device", "list", "--json"), [
    { id: "box", subscriber: "payer", publicKey: x25519.public, mac: "02:00:00:00:00:0a", status: "active" },
  ]);
  const table = server.run("channel", "list").out;
  assert.equal(table, "ID   TITLE\none  The first\n");
});

test("what an edit did is said in a sentence", async () => {
  const { server } = await control();
  const key = "ab".repeat(32);
  const said = (...words: string[]): string => server.run(...words).out;
  assert.equal(said("channel", "add", "one"), "channel one is registered\n");
  assert.equal(said("package", "add", "base", "one"), "package base has one\n");
  assert.equal(said("subscriber", "add", "payer"), "subscriber payer is registered\n");
  assert.equal(said("subscription", "add", "payer", "base"), "subscriber payer holds package base\n");
  assert.match(
    said("device", "add", "box", "--subscriber", "payer", "--public-key", key),
    /^set-top box is registered\nits broker password, shown only now: [0-9a-f]{32}\nput it as "password" into/,
  );
  assert.equal(said("rekey", "one"), "the key of one is being changed\n");
  assert.equal(said("device", "revoke", "box"), "set-top box is revoked; it held no key\n");
  assert.equal(said("device", "remove", "box"), "set-top box is forgotten\n");
});

test("a broker password that the server made is shown once and stored as a hash only", async () => {
  const { server, at } = await control();
  server.json("subscriber", "add", "payer");
  const key = "ab".repeat(32);
  const added = server.json("device", "add", "box", "--subscriber", "payer", "--public-key", key) as {
    password: string;
  };
  assert.match(added.password, /^[0-9a-f]{32}$/);
  assert.equal(server.run("device", "list", "--json").out.includes(added.password), false);
  for (const name of ["control.db", "control.db-wal"]) {
    const file = join(at, "store", name);
    if (existsSync(file)) assert.equal(readFileSync(file).includes(added.password), false);
  }
});

const KEY = "ab".repeat(32);

test("what cannot be done says why: 65 for what is refused, 64 for what no command line may say", async () => {
  const { server } = await control();
  const device = ["device", "add", "box", "--subscriber", "nobody"];
  const refused: readonly (readonly [number, string[], RegExp])[] = [
    [65, [...device, "--public-key", KEY], /^sealcast-control: nobody does not exist$/m],
    [65, [...device, "--public-key", "ab"], /publicKey: must be 64 hexadecimal digits/],
    [65, [...device, "--public-key", `${KEY}:12`], /passwordHash: must be 64 hexadecimal digits/],
    [65, ["device", "revoke", "box"], /box does not exist/],
    [65, ["service", "add", "key-server", "--role", "router", "--public-key", KEY], /this server's own part/],
    [65, ["rekey", "nine"], /nine does not exist/],
    [65, ["usage", "--since", "2026-02-01", "--until", "2026-01-01"], /until: must be later than since/],
    [64, ["device", "add", "b x", "--subscriber", "s", "--identity-out", "/nowhere"], /It must be 1 to 64 of/],
    [64, device, /exactly one of --public-key, --identity, --identity-out/],
    [64, ["usage", "--since", "yesterday"], /'yesterday' is invalid. It must be a time such as/],
    [64, ["usage", "--totals", "colour"], /It must be of subscriber, device, channel/],
    [64, ["subscriber", "add", "s", "--concurrent", "many"], /It must be a whole number/],
    [64, ["service", "add", "x", "--role", "king", "--public-key", KEY], /Allowed choices are headend/],
    [64, ["device", "frobnicate"], /unknown command 'frobnicate'/],
    [69, ["denials"], /denials.not-kept.*none runs/],
  ];
  for (const [expected, words, reason] of refused) {
    const { code, err } = server.run(...words);
    assert.equal(code, expected, `${words.join(" ")}: ${err}`);
    assert.match(err, reason);
    assert.doesNotMatch(err, /\n +at /);
  }
});

test("policies of routers are given, shown as they were given, listed and taken back", async () => {
  const { server, at } = await control();
  const file = join(at, "policy.json");
  const given = {
    rules: [{ action: "deny", groups: ["239.1.9.0/24"] }],
    downstreams: [{ interface: "lan0", maxGroups: 9 }],
  };
  writeFileSync(file, JSON.stringify(given, undefined, 2));
  for (const id of ["home", "shed"])
    server.json("service", "add", id, "--role", "router", "--identity-out", join(at, `${id}.json`));
  const policy = (...words: string[]) => server.run("router", "policy", ...words);
  assert.match(
    policy("set", "--all", file).out,
    /^all routers that have none of their own: policy of revision \d+; `router/,
  );
  assert.match(policy("set", "home", file).out, /^router home: policy of revision \d+; /);
  assert.match(policy("set", "--all", file).out, /; with one of their own: home\n$/);
  assert.deepEqual(JSON.parse(policy("show", "home").out), given);
  const { from, ...shown } = server.json("router", "policy", "show", "shed", "--json") as {
    from: string;
    policy: object;
  };
  assert.deepEqual([from, shown.policy], ["all", given]);
  assert.match(
    policy("list").out,
    /^ROUTER +POLICY +REVISION +STATE .*\nhome +own +\d+ +not heard of .*\nshed +all +\d+ /,
  );
  assert.match(policy("clear", "home").out, /^router home: no policy, as of revision \d+; /);
  server.json("router", "policy", "clear", "--all");
  assert.match(policy("show", "home").err, /home has no policy, and there is none for all/);
});

test("a policy that cannot be is refused by its paths, 65; one that is not there by its name, 66; a wrong command line, 64", async () => {
  const { server, at } = await control();
  server.json("service", "add", "home", "--role", "router", "--identity-out", join(at, "home.json"));
  const file = join(at, "policy.json");
  const policy = (...words: string[]) => server.run("router", "policy", ...words);
  writeFileSync(file, '{"rules":[{"action":"forbid"}],"downstreams":[{"interface":"lan0","colour":1}]}');
  const { code, err } = policy("set", "home", file);
  assert.equal(code, 65);
  assert.match(err, /the policy has 2 faults:\n {2}rules\.0\.action: .*\n {2}downstreams\.0\.colour: is not an entry/);
  writeFileSync(file, "{");
  assert.deepEqual([policy("set", "home", file).code, policy("set", "nobody", file).code], [65, 65]);
  const missing = policy("set", "home", join(at, "none"));
  assert.equal(missing.code, 66);
  assert.match(missing.err, /policy\.unreadable: cannot read .*none\n.*ENOENT/);
  for (const words of [["set"], ["set", "home"], ["set", "--all", "home", file], ["show"], ["show", "--all", "home"]])
    assert.equal(policy(...words).code, 64, words.join(" "));
});

test("an identity file is written only for what the server takes, and never over another", async () => {
  const { server, at } = await control();
  const file = join(at, "box.json");
  const add = (subscriber: string) =>
    server.run("device", "add", "box", "--subscriber", subscriber, "--identity-out", file);
  assert.equal(add("nobody").code, 65);
  assert.equal(existsSync(file), false);
  server.json("subscriber", "add", "payer");
  assert.equal(add("payer").code, 0);
  const before = readFileSync(file, "utf8");
  const again = add("payer");
  assert.equal(again.code, 73);
  assert.match(again.err, /identity\.exists/);
  assert.equal(readFileSync(file, "utf8"), before);
});

test("init makes store and identities once and says so; no other command makes any", async () => {
  const { server, at } = await control(false);
  for (const words of [
    ["channel", "list"],
    ["usage", "--json"],
    ["subscriber", "add", "payer"],
  ]) {
    const { code, out, err } = server.run(...words);
    assert.equal(code, 66, words.join(" "));
    assert.equal(out, "");
    assert.match(
      err,
      new RegExp(`store.missing: there is no store at ${at}/store/control.db, and nobody listens on ${at}`),
    );
    assert.match(err, new RegExp(`the configuration is ${at}/control-config.json`));
    assert.match(err, /`sealcast-control init` makes a new store there/);
  }
  const peers = server.run("peers");
  assert.equal(peers.code, 69);
  assert.match(peers.err, /identity\.missing: .*keys\.json.*\n.*\n.*`sealcast-control init` makes it/);
  assert.deepEqual(
    ["store", "keys.json", "reception.json"].filter((name) => existsSync(join(at, name))),
    [],
  );
  const made = (what: string) =>
    `the store ${at}/store/control.db is ${what}\n` +
    `the identity ${at}/keys.json is ${what}\nthe identity ${at}/reception.json is ${what}\n`;
  assert.equal(server.run("init").out, made("made"));
  const keys = readFileSync(join(at, "keys.json"), "utf8");
  server.json("channel", "add", "one");
  assert.equal(server.run("init").out, made("there already"));
  assert.equal(readFileSync(join(at, "keys.json"), "utf8"), keys);
  assert.equal(server.run("channel", "list").out, "ID   TITLE\none  one\n");
});

test("a store.path that is another file is refused by every command, init and the server too, and the file stays as it is", async () => {
  const { server, at } = await control(false);
  const path = join(at, "notes.txt");
  writeFileSync(path, "notes of somebody else\n");
  chmodSync(path, 0o644);
  for (const words of [["device", "list"], ["subscriber", "add", "payer"], ["init"], []]) {
    const { code, out, err } = server.run("--set", `store.path=${path}`, ...words);
    assert.equal(code, 65, words.join(" "));
    assert.match(out + err, new RegExp(`store.foreign: ${path} is no store of ours`));
  }
  assert.deepEqual([readFileSync(path, "utf8"), statSync(path).mode & 0o777], ["notes of somebody else\n", 0o644]);
});

test("every fault of the configuration is listed with its path, and nothing is opened", async () => {
  const { server, at } = await control(false);
  const { code, err } = server.run(
    ...["--set", "broker.listeners.0.port=70000", "--set", "store.path=", "--set", "grace=0", "--set", "frobnicate=1"],
    ...["--set", "reception.id=key-server", "check-config"],
  );
  assert.equal(code, 78);
  for (const path of ["broker.listeners.0.port", "store.path", "grace", "frobnicate"])
    assert.match(err, new RegExp(`  ${path}: `));
  assert.equal(existsSync(join(at, "store")), false);
});

test("after kill -9 the server knows its epochs, its receptions and its services", async () => {
  const { server, port, at } = await control();
  server.json("channel", "add", "one");
  server.json("package", "add", "base", "one");
  server.json("subscriber", "add", "payer");
  server.json("subscription", "add", "payer", "base");
  const [box, headend] = ["box.json", "headend.json"].map((name) => join(at, name)) as [string, string];
  server.json("device", "add", "box", "--subscriber", "payer", "--identity-out", box);
  const peers = server.json("peers") as { keyServer: { id: string; publicKey: string; noticeKey: string } };
  await server.start();
  server.json("service", "add", "he", "--role", "headend", "--identity-out", headend, "--channels", "one");
  const octets = (text: string): Uint8Array => fromHex(text) ?? new Uint8Array();
  const { id, publicKey, noticeKey } = peers.keyServer;
  const keyServer = { role: "keyserver", id, publicKey: octets(publicKey) } as const;
  const he = new ParticipantUnderTest(headend, port, keyServer, octets(noticeKey));
  const settop = new ParticipantUnderTest(box, port, keyServer, octets(noticeKey));
  try {
    const stream = { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 7, payloadType: 33 } as const;
    const times = { interval: 60_000, overlap: 2_000, window: 1_000 };
    const parameters = { channel: "one", group: 0xefff4d01, port: 5004, stream, ...times };
    const key = { epoch: 1, masterKey: new Uint8Array(16).fill(5), masterSalt: new Uint8Array(12).fill(6) };
    const proposal = { type: "epoch.proposal", id: new Uint8Array(16).fill(1), parameters, key, switchIn: 0 } as const;
    assert.equal((await he.ask(proposal)).type, "epoch.accepted");
    const reception = new Uint8Array(16).fill(9);
    const request = { type: "key.request", channel: "one", reception, reason: "start" } as const;
    assert.equal((await settop.ask({ ...request, id: new Uint8Array(16).fill(2) })).type, "key.grant");

    await server.stop("SIGKILL");
    await server.start();
    const again = await settop.ask({ ...request, reason: "refresh", id: new Uint8Array(16).fill(3) });
    assert.ok(again.type === "key.grant");
    assert.deepEqual(again.epochs, [key]);
    const other = { ...key, masterKey: new Uint8Array(16).fill(7) };
    const stale = await he.ask({ ...proposal, id: new Uint8Array(16).fill(4), key: other });
    assert.ok(stale.type === "epoch.refused" && stale.reason === "stale" && stale.last === 1);
    const live = server.json("receptions", "--json") as { reception: string }[];
    assert.deepEqual(
      live.map((row) => row.reception),
      ["09".repeat(16)],
    );
    const stop = { type: "stop", channel: "one", reception, cause: "stopped" } as const;
    assert.equal((await settop.ask({ ...stop, id: new Uint8Array(16).fill(8) })).type, "stop.acknowledged");
    const usage = server.json("usage", "--device", "box", "--json") as { cause: string }[];
    assert.deepEqual(
      usage.map(({ cause }) => cause),
      ["stopped"],
    );
  } finally {
    await Promise.all([he.close(), settop.close()]);
    assert.equal(await server.stop(), 0);
  }
});
