import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { HalError } from "../../core/ports/errors.ts";
import { BridgeSettings } from "../bridge/settings.ts";
import { BridgeQueriers } from "./bridge-querier.ts";

const root = mkdtempSync(join(tmpdir(), "sealcast-bridge-"));
after(() => rmSync(root, { recursive: true }));
const file = (bridge: string) => join(root, bridge, "bridge", "multicast_querier");
/** Of the kernel, reads "1", and nobody may write it: EACCES, or EROFS where /sys is read-only. */
const READ_ONLY = "/sys/class/net/lo/ifindex";

function make(bridge: string, value: string): void {
  mkdirSync(join(root, bridge, "bridge"), { recursive: true });
  writeFileSync(file(bridge), value);
}

function refuseWrites(bridge: string): void {
  rmSync(join(root, bridge), { recursive: true, force: true });
  mkdirSync(join(root, bridge, "bridge"), { recursive: true });
  symlinkSync(READ_ONLY, file(bridge));
}

const isRefusal = (bridge: string, wanted: "on" | "off") => (error: unknown) => {
  assert.ok(error instanceof HalError);
  assert.equal(error.code, "bridge.permission");
  assert.match(
    error.message,
    new RegExp(`^cannot turn ${wanted} the querier of bridge ${bridge} \\((EACCES|EROFS)\\)$`),
  );
  assert.match(error.needs ?? "", /write access to .*multicast_querier/);
  assert.match(error.alternative ?? "", new RegExp(`${bridge} type bridge mcast_querier ${wanted === "on" ? 1 : 0}$`));
  return true;
};
const never = (_: string, error: HalError): void => assert.fail(error.message);

test("a bridge's querier is silenced only if it was on, and gets its voice back", () => {
  make("on", "1\n");
  make("off", "0\n");
  const queriers = new BridgeQueriers(new BridgeSettings({ root }));
  assert.deepEqual([queriers.silence("on"), queriers.silence("off"), queriers.silence("none")], [true, false, false]);
  assert.equal(readFileSync(file("on"), "utf8").trim(), "0");
  queriers.restore(never);
  assert.deepEqual([readFileSync(file("on"), "utf8").trim(), readFileSync(file("off"), "utf8")], ["1", "0\n"]);
});

test("a querier that may not be written is a refusal, told with what it needs and what to do by hand", () => {
  refuseWrites("locked");
  const queriers = new BridgeQueriers(new BridgeSettings({ root }));
  assert.throws(() => queriers.silence("locked"), isRefusal("locked", "off"));
  queriers.restore(never);
});

test("what may not be given back is told of each bridge, the others get their voice back, a bridge that is gone needs none", () => {
  for (const bridge of ["first", "gone", "last"]) make(bridge, "1\n");
  const queriers = new BridgeQueriers(new BridgeSettings({ root }));
  for (const bridge of ["first", "gone", "last"]) assert.equal(queriers.silence(bridge), true);
  refuseWrites("first");
  rmSync(join(root, "gone"), { recursive: true });
  const told: [string, HalError][] = [];
  queriers.restore((bridge, error) => told.push([bridge, error]));
  assert.deepEqual(
    told.map(([bridge]) => bridge),
    ["first"],
  );
  assert.ok(isRefusal("first", "on")(told[0]?.[1]));
  assert.equal(readFileSync(file("last"), "utf8").trim(), "1");
});

test("a failure that is no refusal is told as one too", () => {
  mkdirSync(file("folder"), { recursive: true });
  assert.throws(() => new BridgeQueriers(new BridgeSettings({ root })).silence("folder"), { code: "bridge.failed" });
});
