import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as v from "valibot";
import { commonEntries, configSource, groupText, loadConfig, portNumber } from "./config.ts";

const folder = mkdtempSync(join(tmpdir(), "sealcast-config-"));
after(() => rmSync(folder, { recursive: true }));

const schema = v.strictObject({
  ...commonEntries,
  group: groupText,
  channels: v.array(v.strictObject({ port: portNumber })),
});

function file(text: string): string {
  const path = join(folder, "config.json");
  writeFileSync(path, text);
  return path;
}

const faultsOf = (text: string, settings: string[] = []) => {
  const checked = loadConfig(schema, file(text), settings);
  return checked.ok ? [] : checked.faults.map((fault) => `${fault.path}: ${fault.message}`);
};

test("every fault is listed at once, each with its path", () => {
  assert.deepEqual(faultsOf('{"group":"10.0.0.1","channels":[{"port":0}],"colour":1}'), [
    "group: must be a multicast group, 224.0.0.0 to 239.255.255.255",
    "channels.0.port: Invalid value: Expected >=1 but received 0",
    "colour: is not an entry of this configuration",
  ]);
});

test("what is missing is named", () => {
  assert.deepEqual(faultsOf("{}"), ["group: is missing", "channels: is missing"]);
});

test("--set overrides entries of the file and makes the ones that are not there", () => {
  const checked = loadConfig(schema, file('{"group":"239.1.1.1"}'), ["channels.0.port=5004", "log.level=debug"]);
  assert.ok(checked.ok);
  assert.equal(checked.config.channels[0]?.port, 5004);
  assert.equal(checked.config.log.level, "debug");
});

test("a setting that is not path=value, or that reaches for a prototype, is a fault", () => {
  assert.deepEqual(faultsOf('{"group":"239.1.1.1","channels":[]}', ["group", "__proto__.x=1", "group.x=1"]), [
    '--set: "group" is not path=value',
    "__proto__.x: is not a name of the configuration",
    "group.x: goes through a value that has no parts",
  ]);
});

test("a file that is not there, not JSON, or not an object is one fault with the file's path", () => {
  assert.match(String(loadFaults(join(folder, "absent.json"))), /ENOENT/);
  assert.match(String(loadFaults(file("{"))), /JSON/);
  assert.match(String(loadFaults(file("[]"))), /must hold one JSON object/);
});

function loadFaults(path: string): readonly string[] {
  const checked = loadConfig(schema, path, []);
  assert.equal(checked.ok, false);
  return checked.ok ? [] : checked.faults.map((fault) => fault.message);
}

test("a configuration comes from --config, else from the usual place where it is, else from nowhere", () => {
  writeFileSync(join(folder, "settop.json"), "{}");
  symlinkSync(join(folder, "router.json"), join(folder, "router.json"));
  const from = (target: string, given?: string) => configSource(target, given, folder);
  assert.equal(from("settop", "mine.json").file, "mine.json");
  assert.equal(from("settop").file, join(folder, "settop.json"));
  assert.equal(from("router").file, join(folder, "router.json"), "one that cannot be looked at is not passed over");
  assert.deepEqual(from("headend"), {
    file: undefined,
    words: `no --config was given, and ${folder}/headend.json is not there`,
  });
});
