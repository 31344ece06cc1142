import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { seconds } from "../../../core/base/time.ts";
import { checkConfig } from "../../shared/config.ts";
import { routerConfig } from "../config.ts";

const UNIT = readFileSync("targets/router/systemd/sealcast-router.service", "utf8");
const scratch = mkdtempSync(join(tmpdir(), "router-systemd-"));
after(() => rmSync(scratch, { recursive: true }));

const analyze = spawnSync("systemd-analyze", ["--version"]).status === 0;

test("systemd-analyze verify finds nothing", { skip: analyze ? false : "systemd-analyze is not installed" }, () => {
  const unit = join(scratch, "sealcast-router.service");
  writeFileSync(unit, UNIT.replace("/usr/bin/node", process.execPath));
  const verified = spawnSync("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", unit], {
    encoding: "utf8",
  });
  assert.deepEqual([verified.status, verified.stderr], [0, ""]);
});

const directive = (setting: string): string => new RegExp(`^${setting}=(.*)$`, "m").exec(UNIT)?.[1] ?? "";

/** What the unit's head tells of the configuration, and what every router has. */
function example(): Record<string, unknown> {
  const told = [...UNIT.matchAll(/^# {3}("\w+": +(?:"[^"]+"|\{.*\}))/gm)].map(([, entry]) => entry);
  assert.equal(told.length, 3);
  return { ...JSON.parse(`{${told.join()}}`), id: "example", downstreams: [{ interface: "lan0" }] };
}

const SERVER = { broker: { url: "mqtt://control:1883" }, reception: { id: "r", publicKey: "11".repeat(32) } };

test("the configuration of the unit's head is one, in the folders that systemd makes", () => {
  const checked = checkConfig(routerConfig, { ...example(), ...SERVER }, []);
  assert.ok(checked.ok, JSON.stringify(checked));
  assert.equal(checked.config.socket, `/run/${directive("RuntimeDirectory")}/router.sock`);
  assert.equal(checked.config.evidence.file, `/var/lib/${directive("StateDirectory")}/router.evidence`);
});

test("systemd ends the router alone, and starts the next one while the keeper holds the routes", () => {
  assert.equal(directive("KillMode"), "process");
  assert.deepEqual([directive("KillSignal"), directive("RestartKillSignal")], ["SIGINT", "SIGTERM"]);
  const checked = checkConfig(routerConfig, { id: "x", downstreams: [{ interface: "lan0" }] }, []);
  assert.ok(checked.ok);
  assert.ok(seconds(Number(directive("RestartSec"))) * 2 <= checked.config.takeover);
  assert.equal(directive("StartLimitIntervalSec"), "0", "it never gives up");
});

test("the unit lets the router open what it opens", () => {
  const families = directive("RestrictAddressFamilies").split(" ");
  for (const family of ["AF_INET", "AF_NETLINK", "AF_PACKET", "AF_UNIX"]) assert.ok(families.includes(family), family);
  assert.equal(directive("ProtectKernelTunables"), "", "/sys has the bridges' own queriers");
});
