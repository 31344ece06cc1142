// SECURITY.md promises that secrets are never in logs: no secret of a run of the whole system is, nor in a status.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { seconds } from "../../core/base/time.ts";
import { SETTOP_NAMES } from "./figure-two.testkit.ts";
import { Misfortune } from "./misfortune.testkit.ts";
import { type Secret, Secrets } from "./secrets.testkit.ts";
import { simulatedLog } from "./seeded-log.testkit.ts";
import { World } from "./world.testkit.ts";

const SEED = 7;
let secrets: Secrets;
let log: string;
const statuses = new Set<string>();

before(async () => {
  const world = await World.start(SEED, "trace");
  secrets = new Secrets(world);
  world.everySecond = () => {
    secrets.collect();
    for (const [id, status] of Object.entries(world.statuses())) statuses.add(`${id} ${JSON.stringify(status)}`);
  };
  for (const settop of SETTOP_NAMES) world.tune(settop, "one");
  const misfortune = new Misfortune(world, SEED);
  await misfortune.happen(seconds(70), "everywhere");
  await misfortune.end();
  await world.run(seconds(20));
  log = world.text();
});

test("the run had secrets of every kind, no epoch was missed, and every process logged and had a status", () => {
  const kinds = new Set(secrets.all.map(({ name }) => name.split(" of ")[0]));
  const all = [
    "the password",
    "the password's hash",
    "the master key",
    "the master salt",
    "a private key",
    "a packet key",
  ];
  assert.deepEqual([...kinds].sort(), all.sort());
  for (const { count, newest } of secrets.epochs()) {
    assert.ok(newest > 5, `${newest} epochs`);
    assert.ok(count >= newest, `${count} of ${newest} epochs were collected`);
  }
  for (const { name, octets } of secrets.all)
    assert.ok(
      octets.some((octet) => octet !== 0),
      `${name} was overwritten`,
    );
  for (const id of ["control", "headend", "router-12", ...SETTOP_NAMES]) {
    assert.match(log, new RegExp(` ${id} \\{"level"`), id);
    assert.ok(
      [...statuses].some((status) => status.startsWith(`${id} {`)),
      `a status of ${id}`,
    );
  }
});

test("no secret is in the log, at its most detailed", () => {
  assert.deepEqual(secrets.in(log), []);
});

test("no secret is in a status", () => {
  assert.deepEqual(secrets.in([...statuses].join("\n")), []);
});

/** As our own mistake would: each is a field of a line that a process logs. */
const MISTAKES: Readonly<Record<string, (octets: Uint8Array) => unknown>> = {
  "in hexadecimal": toHex,
  "in hexadecimal with capitals": (octets) => toHex(octets).toUpperCase(),
  "in base64": (octets) => Buffer.from(octets).toString("base64"),
  "in base64 of a whole message": (octets) => Buffer.concat([Uint8Array.of(0xa1), octets, octets]).toString("base64"),
  "in base64 for URLs": (octets) => Buffer.from(octets).toString("base64url"),
  "as octets": (octets) => octets,
  "as a buffer": (octets) => Buffer.from(octets),
  "within its message": (octets) => ({ type: "key.grant", epochs: [{ epoch: 1, masterKey: octets }] }),
};

const oneOfEachKind = (): readonly Secret[] => [
  ...new Map(secrets.all.map((secret) => [secret.name.split(" of ")[0], secret])).values(),
];

for (const [how, spell] of Object.entries(MISTAKES))
  test(`a secret that is logged ${how} is found`, () => {
    for (const { name, octets } of oneOfEachKind()) {
      const lines: string[] = [];
      simulatedLog("headend", "info", (line) => lines.push(line)).info({ what: spell(octets) }, "a mistake of ours");
      assert.deepEqual(secrets.in(lines.join("")), [name]);
    }
  });

test("a password that is logged as it is written is found", () => {
  const { name, octets } =
    oneOfEachKind().find((secret) => secret.name.startsWith("the password of ")) ?? assert.fail();
  assert.deepEqual(secrets.in(`the password is ${new TextDecoder().decode(octets)}`), [name]);
});
