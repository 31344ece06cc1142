import assert from "node:assert/strict";
import { test } from "node:test";
import type * as v from "valibot";
import { keyServerConfig } from "../keyserver/config.ts";
import { receptionConfig } from "../reception/config.ts";
import { loadConfig } from "../shared/config.ts";
import { controlConfig } from "./config.ts";

const KEY = "ab".repeat(32);
const COMMON = ["id=x", "identity=/x.json", "broker.url=mqtt://127.0.0.1", "store.path=/x.db"];

/** "path: message" of each fault. */
function faults(schema: v.GenericSchema<unknown, unknown>, settings: readonly string[]): string[] {
  const checked = loadConfig(schema, undefined, settings);
  return checked.ok ? [] : checked.faults.map(({ path, message }) => `${path}: ${message}`);
}

test("control needs no configuration; its store and identities have places of their own", () => {
  const checked = loadConfig(controlConfig, undefined, []);
  assert.ok(checked.ok);
  assert.equal(checked.config.store.path, "/var/lib/sealcast/control.db");
  assert.deepEqual(checked.config.broker.listeners, [{ host: "127.0.0.1", port: 1883 }]);
});

test("control's two parts cannot share a name", () => {
  assert.deepEqual(faults(controlConfig, ["reception.id=key-server"]), [
    "reception.id: must differ from the key server's id",
  ]);
});

test("a key server needs to know its reception server; each fault has its path", () => {
  const headends = JSON.stringify([
    { id: "he", publicKey: KEY },
    { id: "he", publicKey: "12" },
  ]);
  const found = faults(keyServerConfig, [...COMMON, `headends=${headends}`, "shards=0"]);
  assert.deepEqual(found.map((fault) => fault.split(": ")[0]).sort(), ["headends.1.publicKey", "reception", "shards"]);
  const twice = JSON.stringify([
    { id: "he", publicKey: KEY },
    { id: "he", publicKey: KEY },
  ]);
  const reception = JSON.stringify({ id: "rs", publicKey: KEY });
  assert.deepEqual(faults(keyServerConfig, [...COMMON, `headends=${twice}`, `reception=${reception}`]), [
    "headends: two headends have the same id",
  ]);
});

test("a reception server needs at least one key server, and sane spans", () => {
  const found = faults(receptionConfig, [...COMMON, "keyServers=[]", "grace=0", "evidenceFor=99999"]);
  assert.deepEqual(found.map((fault) => fault.split(": ")[0]).sort(), ["evidenceFor", "grace", "keyServers"]);
});
