import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as v from "valibot";
import type { Below } from "../../core/base/chance.testkit.ts";
import { fuzz } from "../../core/base/fuzz.testkit.ts";
import { ANY, address } from "../../core/base/ipv4.ts";
import { loadConfig } from "../shared/config.ts";
import { choiceOf, interfacesOf, outputName, outputOf, settopConfig } from "./config.ts";

const scratch = mkdtempSync(join(tmpdir(), "st-config-"));
after(() => rmSync(scratch, { recursive: true }));
const file = join(scratch, "settop.json");

const SOUND = {
  id: "box-1",
  identity: "/etc/sealcast/id.json",
  broker: { url: "mqtt://10.0.0.1:1883" },
  keyServer: { id: "keys", publicKey: "ab".repeat(32), noticeKey: "cd".repeat(32) },
  channels: [
    { id: "one", group: "239.255.77.1", port: 5004 },
    { id: "two", group: "232.1.1.2", port: 5004, source: "10.0.0.9", output: { form: "file", path: "/tmp/two.ts" } },
  ],
};

function load(value: unknown, ...settings: string[]) {
  writeFileSync(file, typeof value === "string" ? value : JSON.stringify(value));
  return loadConfig(settopConfig, file, settings);
}

function faultsOf(value: unknown, ...settings: string[]): readonly string[] {
  const loaded = load(value, ...settings);
  return loaded.ok ? [] : loaded.faults.map(({ path, message }) => `${path}: ${message}`);
}

test("a small configuration gets its defaults", () => {
  const loaded = load(SOUND);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const { config } = loaded;
  assert.equal(config.journal, "/var/lib/sealcast/receptions.json");
  assert.deepEqual(interfacesOf(config), [ANY, ANY]);
  assert.deepEqual([config.overlap, config.linger, config.most], [2000, 2000, 8]);
  assert.deepEqual(config.reorder, { depth: 32, patience: 50 });
  assert.deepEqual(config.output, {
    form: "udp",
    to: address("127.0.0.1"),
    port: 5004,
    ttl: 1,
  });
  const names = config.channels.map((channel) => outputName(outputOf(config, channel)));
  assert.deepEqual(names, ["udp 127.0.0.1:5004", "file /tmp/two.ts"]);
});

test("interfaces of groups and outputs by name or address, under the entry's name of now or of before, not under both", () => {
  for (const entry of ["interface", "interfaceAddress"]) {
    const output = { form: "udp", to: "239.1.1.1", port: 5004, [entry]: "10.0.0.7" };
    const loaded = load({ ...SOUND, [entry]: "wan", output });
    assert.ok(loaded.ok, JSON.stringify(loaded));
    assert.deepEqual(interfacesOf(loaded.config), ["wan", address("10.0.0.7")]);
    assert.ok("to" in loaded.config.output);
    const choice = choiceOf(loaded.config.output);
    assert.ok("to" in choice);
    assert.equal(choice.interfaceAddress, address("10.0.0.7"));
  }
  const double = { interface: "a", interfaceAddress: "b" };
  const [one, ...others] = SOUND.channels;
  const output = { form: "udp", port: 5004, ...double };
  const fault = "is interfaceAddress by its new name: give one of them";
  assert.deepEqual(faultsOf({ ...SOUND, ...double, output, channels: [{ ...one, output }, ...others] }), [
    `interface: ${fault}`,
    `output.interface: ${fault}`,
    `channels.0.output.interface: ${fault}`,
  ]);
});

test("all faults are told at once, each with its path", () => {
  const faults = faultsOf({
    ...SOUND,
    identity: "",
    overlap: 1,
    keyServer: { ...SOUND.keyServer, noticeKey: "xyz" },
    channels: [
      { id: "one", group: "10.0.0.1", port: 0 },
      { id: "two", group: "232.1.1.2", port: 5004 },
    ],
    output: { form: "telepathy" },
  });
  for (const path of [
    "identity",
    "overlap",
    "keyServer.noticeKey",
    "channels.0.group",
    "channels.0.port",
    "channels.1",
    "output.form",
  ])
    assert.ok(
      faults.some((fault) => fault.startsWith(`${path}:`)),
      `${path} in ${faults.join(" | ")}`,
    );
});

test("a source-specific group without its source is a fault that says so", () => {
  const [one] = SOUND.channels;
  const faults = faultsOf({ ...SOUND, channels: [{ ...one, group: "232.0.0.1" }] });
  assert.deepEqual(faults, ["channels.0: a group in 232.0.0.0/8 needs a `source` (RFC 4607)"]);
});

test("what entries do not know of each other: channels twice, unknown ones, too many, and two in one output", () => {
  const [one] = SOUND.channels;
  assert.deepEqual(faultsOf({ ...SOUND, channels: [one, one] }), ["channels.1.id: channel one is there twice"]);
  assert.deepEqual(faultsOf({ ...SOUND, tune: ["three"] }), ["tune.0: there is no channel three"]);
  assert.deepEqual(faultsOf({ ...SOUND, tune: ["one", "two"], most: 1 }), [
    "tune: at most 1 channels at once (see `most`)",
  ]);
  const both = { ...SOUND, channels: [one, { ...one, id: "three" }], tune: ["one", "three"] };
  assert.deepEqual(faultsOf(both), ["tune.1: three and one have the same output (udp 127.0.0.1:5004)"]);
  assert.deepEqual(faultsOf({ ...both, output: { form: "null" } }), []);
});

test("--set reaches every entry", () => {
  const loaded = load(SOUND, "tune.0=two", "channels.0.port=6000", "output.form=stdout");
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const { tune, channels, output } = loaded.config;
  assert.deepEqual([tune, channels[0]?.port, output], [["two"], 6000, { form: "stdout" }]);
});

const MUTATED = "mutations of a configuration: taken, or refused with faults, never a throw";

fuzz(MUTATED, { seed: 9, rounds: 10_000 }, ({ below, rounds }) => {
  const text = JSON.stringify({ ...SOUND, tune: ["one"], output: { form: "udp", port: 5004 } });
  const pieces = [
    '"',
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "1e99",
    "-1",
    '"__proto__":',
    "\\u0000",
    "true",
    '""',
    "{}",
  ];
  const outcomes = { taken: 0, refused: 0 };
  for (let round = 0; round < rounds; round++) {
    const from = below(text.length);
    const piece = pieces[below(pieces.length)] ?? "";
    const mutated = text.slice(0, from) + piece + text.slice(from + below(12));
    let value: unknown;
    try {
      value = JSON.parse(mutated);
    } catch {
      value = mutate(JSON.parse(text), below);
    }
    const loaded = check(value);
    outcomes[loaded ? "taken" : "refused"]++;
  }
  assert.ok(outcomes.taken > 100 && outcomes.refused > 1000, JSON.stringify(outcomes));
});

const VALUES: readonly unknown[] = [null, 0, -1, 1e99, "", "x", [], {}, true, "239.1.1.1", [null], { form: "null" }];

/** Another value at a place somewhere in the tree. */
function mutate(root: Record<string, unknown>, below: Below): unknown {
  let at: Record<string, unknown> = root;
  for (;;) {
    const keys = Object.keys(at);
    const key = keys[below(keys.length)];
    if (key === undefined) return root;
    const next = at[key];
    if (typeof next === "object" && next !== null && below(4) > 1) {
      at = next as Record<string, unknown>;
      continue;
    }
    at[key] = VALUES[below(VALUES.length)];
    return root;
  }
}

/** True when it is taken; when refused there is at least one fault with words. */
function check(value: unknown): boolean {
  const result = v.safeParse(settopConfig, value);
  assert.ok(result.success || result.issues.every((issue) => issue.message.length > 0));
  return result.success;
}

const GCM_KEY = "000102030405060708090a0b0c0d0e0fa0a1a2a3a4a5a6a7a8a9aaab";
const CM_KEY = "4fl6DT4Bi+DWT6MsBt5BOQ7Gda1Jiv7rtpYLOqvm";

const unmanaged = (sender: object) => ({
  ...SOUND,
  channels: [{ id: "camera", group: "239.255.77.9", port: 5004, unmanaged: sender }],
});

test("static keys of a sender that is not ours: as ffmpeg has them, as GStreamer has them, and with MKIs", () => {
  const loaded = load(unmanaged({ keys: [{ key: CM_KEY }] }));
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const [sender] = loaded.config.channels.map((channel) => channel.unmanaged);
  assert.deepEqual(
    [sender?.suite, sender?.mkiLength, sender?.ssrc, sender?.roc],
    ["AES_CM_128_HMAC_SHA1_80", 0, undefined, 0],
  );
  assert.equal(Buffer.from(sender?.keys[0]?.masterKey ?? []).toString("hex"), "e1f97a0d3e018be0d64fa32c06de4139");
  assert.equal(Buffer.from(sender?.keys[0]?.masterSalt ?? []).toString("hex"), "0ec675ad498afeebb6960b3aabe6");
  const gcm = { suite: "AEAD_AES_128_GCM", mki: 4, ssrc: 7, roc: 9 };
  const two = load(
    unmanaged({
      ...gcm,
      keys: [
        { mki: "00000009", key: GCM_KEY },
        { mki: "00000002", key: GCM_KEY },
      ],
    }),
  );
  assert.ok(two.ok, JSON.stringify(two));
  assert.deepEqual(
    two.config.channels[0]?.unmanaged?.keys.map(({ epoch }) => epoch),
    [2, 9],
  );
});

test("static keys that cannot be right are refused with their place", () => {
  const at = "channels.0.unmanaged";
  assert.match(
    faultsOf(unmanaged({ keys: [{ key: GCM_KEY }] }))[0] ?? "",
    /keys.0.key has 28 octets: AES_CM_128_HMAC_SHA1_80 has 16 of key and 14/,
  );
  assert.match(faultsOf(unmanaged({ mki: 4, keys: [{ key: CM_KEY }] }))[0] ?? "", /keys.0.mki must be there with/);
  const twice = { mki: "00000001", key: CM_KEY };
  assert.deepEqual(faultsOf(unmanaged({ mki: 4, keys: [twice, twice] })), [`${at}: two keys have the same mki`]);
  assert.match(faultsOf(unmanaged({ keys: [{ key: "not a key" }] }))[0] ?? "", /must be master key and salt/);
  assert.equal(faultsOf(unmanaged({ keys: [] })).length, 1);
});
