// Starts that must fail, or go on without something: each with its exit code and words, none with a stack trace.
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import {
  Bundle,
  Configured,
  controlConfig,
  headendConfig,
  isRoot,
  makeIdentity,
  NOBODY,
  scratch,
  settopConfig,
  type TargetName,
} from "./bundles.testkit.ts";

const root = scratch("start");
let folders = 0;
function fresh(): string {
  const folder = join(root, String(++folders));
  mkdirSync(folder);
  makeIdentity("settop", "box", join(folder, "box.json"));
  makeIdentity("headend", "headend", join(folder, "headend.json"));
  return folder;
}

async function fails(bundle: Bundle, code: number, ...words: readonly RegExp[]): Promise<void> {
  assert.equal((await bundle.end()).code, code, bundle.text);
  for (const pattern of words) assert.match(bundle.text, pattern);
  assert.doesNotMatch(bundle.text, /\n\s+at |"stack"/);
}

async function stops(bundle: Bundle): Promise<void> {
  const { code, took } = await bundle.stop();
  assert.equal(code, 0, bundle.text);
  assert.ok(took < 2000, `${took} ms`);
}

/** The bundle where everybody can read it: a checkout may lie in a home directory that is closed to others. */
function forEverybody(target: TargetName): string {
  const folder = join(root, "dist");
  mkdirSync(folder, { recursive: true });
  copyFileSync(join("dist", `${target}.cjs`), join(folder, `${target}.cjs`));
  for (const path of [root, folder]) chmodSync(path, 0o755);
  return folder;
}

const asNobody = (target: TargetName) => (isRoot ? { ...NOBODY, dist: forEverybody(target) } : {});

const needsRoot = { skip: !isRoot && "needs root to become somebody else" };

for (const forwarding of ["kernel", "none"]) {
  test(`a router that is not root says what it lacks and exits with 77 (forwarding ${forwarding})`, async () => {
    const settings = ["id=r", "downstreams.0.interface=lo", "socket=", "taps=false", `forwarding=${forwarding}`];
    const args = settings.flatMap((setting) => ["--set", setting]);
    const bundle = new Bundle("router", args, asNobody("router"));
    await fails(bundle, 77, /(mroute|igmp)\.permission/, /needs: root, or CAP_NET_RAW and CAP_NET_ADMIN/);
  });
}

test("set-top, headend and control work without root", needsRoot, async () => {
  const folder = fresh();
  for (const path of [folder, join(folder, "box.json"), join(folder, "headend.json")]) chownSync(path, 65_534, 65_534);
  for (const [target, config] of [
    ["control", controlConfig(folder)],
    ["settop", settopConfig(folder)],
    [
      "headend",
      headendConfig(folder, { channels: [{ id: "one", group: "239.255.78.1", port: 5004, input: { kind: "stdin" } }] }),
    ],
  ] as const) {
    const bundle = new Configured(target, folder, config, asNobody(target));
    await bundle.running();
    if (target !== "headend") await stops(bundle);
    else await bundle.stop();
  }
});

test("control says that its port is in use, and exits with 69", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as { port: number };
  const folder = fresh();
  await fails(new Configured("control", folder, controlConfig(folder, port)), 69, /broker\.in-use.*127\.0\.0\.1:/);
  other.close();
});

test("a second process with the same socket is refused before it touches journal, store or bus", async () => {
  const folder = fresh();
  const first = new Configured("control", folder, controlConfig(folder));
  await first.running();
  await fails(new Configured("control", folder, controlConfig(folder)), 69, /socket\.in-use/);
  assert.equal((await first.status()).role, "control");
  await stops(first);
});

test("a socket path that holds a file is left alone", async () => {
  const folder = fresh();
  const precious = join(folder, "precious");
  writeFileSync(precious, "text");
  await fails(
    new Configured("settop", folder, settopConfig(folder, { socket: precious })),
    69,
    /it is there and not a socket/,
  );
  assert.equal(readFileSync(precious, "utf8"), "text");
});

const spoiled: readonly (readonly [string, (file: string) => void, RegExp, object?])[] = [
  ["missing", () => {}, /identity\.missing.*make it with keygen/, { identity: "/nonexistent/box.json" }],
  ["readable by others", (file) => chmodSync(file, 0o644), /identity\.mode.*chmod 600/],
  ["another's", () => {}, /identity\.invalid.*belongs to the settop box, not to the settop other/, { id: "other" }],
  ["cut short", (file) => truncateSync(file, 40), /identity\.invalid.*not JSON/],
  ["nonsense", (file) => writeFileSync(file, '{"id":7}'), /identity\.invalid.*role/],
  ["a folder", () => {}, /identity\.invalid.*is not a file/, { identity: root }],
];

for (const [what, spoil, words, more] of spoiled) {
  test(`an identity that is ${what} is named, and the set-top exits with 69`, async () => {
    const folder = fresh();
    spoil(join(folder, "box.json"));
    await fails(new Configured("settop", folder, settopConfig(folder, more)), 69, words);
  });
}

test("a store that is not a database is left as it is, one that cannot be made is named: control exits with 65 and 74", async () => {
  const folder = fresh();
  const [file, text] = [join(folder, "control.db"), "this is not a database ".repeat(100)];
  writeFileSync(file, text);
  chmodSync(file, 0o644);
  const foreign = new Configured("control", folder, controlConfig(folder));
  await fails(foreign, 65, /store\.foreign: .*control\.db is no store of ours.*needs: as `store\.path`/);
  assert.deepEqual([readFileSync(file, "utf8"), statSync(file).mode & 0o777], [text, 0o644]);
  const config = { ...controlConfig(fresh()), store: { path: "/proc/sealcast/control.db" } };
  await fails(new Configured("control", folder, config), 74, /store\.open.*needs: a path/);
});

test("a journal that is not sound is set aside, one that cannot be read is said; the set-top works", async () => {
  const folder = fresh();
  writeFileSync(join(folder, "receptions.json"), '{"version":1,"receptions":[{"reception":"zz');
  const sick = new Configured("settop", folder, settopConfig(folder));
  await sick.line(/journal\.corrupt/);
  await sick.running();
  assert.ok(existsSync(join(folder, "receptions.json.corrupt")));
  await stops(sick);
  const other = new Configured("settop", folder, settopConfig(folder, { journal: folder }));
  await other.line(/journal\.unreadable/);
  assert.match(await other.see("its journal", ({ journal } = {}) => journal), /journal\.unreadable/);
  await stops(other);
});

test("configuration files that are a folder, binary, too large, too deep, endless or full of values are refused with 78", async () => {
  const folder = fresh();
  const file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  for (const [path, words] of [
    [folder, /EISDIR/],
    [file("binary", Uint8Array.of(0, 27, 91, 51, 200)), /\\u0000\\u001b/],
    [file("large", `{"id":"${"x".repeat(5 << 20)}"}`), /is larger than 4 MiB/],
    [file("deep", `{"id":${"[".repeat(1e5)}${"]".repeat(1e5)}}`), /more than 65536 values|id: /],
    ["/dev/zero", /is larger than 4 MiB/],
    [file("many", `{"channels":[${"0,".repeat(1e6)}0]}`), /has more than 65536 values/],
  ] as const)
    await fails(new Bundle("settop", ["check-config", "--config", path]), 78, words);
});

test("settings that reach for odd places are faults, with 78", async () => {
  const settings = [
    "channels.4294967294.id=x",
    "channels.length=-1",
    "__proto__.x=1",
    "broker.url=mqtt://[",
    "=",
    "nonsense",
  ];
  await fails(
    new Bundle("settop", ["check-config", ...settings.flatMap((one) => ["--set", one])]),
    78,
    /channels[.:]/,
    /__proto__\.x: is not a name/,
    /"nonsense" is not path=value/,
  );
  await fails(new Bundle("settop", ["check-config", "--set", "channels.99999999.id=x"]), 78, /more than 65536 values/);
});

test("a public key that nobody can have is a fault, not a crash at the first request", async () => {
  const config = settopConfig(fresh(), {
    keyServer: { id: "k", publicKey: "00".repeat(32), noticeKey: "ab".repeat(32) },
  });
  await fails(new Configured("settop", fresh(), config), 78, /keyServer\.publicKey: is not a public key/);
});
