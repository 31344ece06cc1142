// The broker or the key server is not there, or is another one: each participant says so, keeps trying, and goes on when it comes.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Role } from "../../core/control/participant.ts";
import { Broker } from "../../hal/bus/broker.ts";
import { freeTcpPort } from "../../hal/free-port.testkit.ts";
import {
  Configured,
  headendConfig,
  type Json,
  makeIdentity,
  SOME_KEY,
  scratch,
  settopConfig,
  until,
} from "./bundles.testkit.ts";
import { System } from "./system.testkit.ts";

const folder = scratch("broker-away");
const ROLES: Readonly<Record<string, Role>> = {
  headend: "headend",
  box: "settop",
  keys: "keyserver",
  office: "reception",
};

test("without a broker at the start everybody says so ever more seldom, and connects when it appears", async () => {
  for (const [id, role] of Object.entries(ROLES)) makeIdentity(role, id, join(folder, `${id}.json`));
  const port = await freeTcpPort();
  const broker = { url: `mqtt://127.0.0.1:${port}` };
  const server = (id: string) => ({
    id,
    broker,
    identity: join(folder, `${id}.json`),
    store: { path: join(folder, `${id}.db`) },
  });
  const bundles = [
    new Configured("headend", folder, headendConfig(folder, { broker })),
    new Configured("settop", folder, settopConfig(folder, { broker })),
    new Configured("keyserver", folder, {
      ...server("keys"),
      reception: { id: "office", publicKey: SOME_KEY },
      headends: [],
    }),
    new Configured("reception", folder, { ...server("office"), keyServers: [{ id: "keys", publicKey: SOME_KEY }] }),
  ];
  for (const bundle of bundles) {
    const said = await until(`${bundle.target} to say it three times`, () => {
      const times = complaints(bundle);
      return times.length >= 3 ? times : undefined;
    });
    for (const [n, at] of said.slice(1, 3).entries()) {
      const gap = at - (said[n] ?? 0);
      // 0.25 s to 0.75 s, then up to 1.25 s.
      assert.ok(gap >= 240 && gap < 500 * 2 ** n + 600, `${bundle.target}: ${gap} ms after attempt ${n + 1}`);
    }
    assert.equal(await brokerOf(bundle), "away");
  }
  const real = await Broker.start({ listeners: [{ host: "127.0.0.1", port }], authenticate: (id) => ROLES[id] });
  for (const bundle of bundles)
    await until(`${bundle.target} to connect`, async () =>
      (await brokerOf(bundle)) === "connected" ? true : undefined,
    );
  for (const bundle of bundles) assert.equal((await bundle.stop()).code, 0);
  await real.close();
});

/** When it said that there is no broker, in ms since 1970. */
const complaints = (bundle: Configured): readonly number[] =>
  bundle.lines.filter((line) => line.includes("bus.unreachable")).map((line) => Date.parse(JSON.parse(line).time));

const brokerOf = async (bundle: Configured): Promise<string> => (await bundle.status()).broker;

test("with another key server's public key the set-top says that it gets no answer, and control that it cannot read", async () => {
  const system = await System.start(folder, "239.255.79.14");
  after(() => system.close());
  await system.admit("settop", "lost-box");
  const keyServer = { ...system.keyServer, publicKey: SOME_KEY };
  const settop = new Configured("settop", folder, system.settopConfig("lost-box", { keyServer }));
  const dark = await settop.see(
    "the reason",
    ({ channels: [one] }: Json) => one?.dark?.reason === "no-answer" && one.dark,
  );
  assert.match(dark.text, /the key server has not answered \d+ requests/);
  const { messageDrops } = (await system.control.status()).keyServer;
  assert.ok(messageDrops["envelope.recipient"] >= 2, JSON.stringify(messageDrops));
  assert.equal((await settop.stop()).code, 0);
  assert.equal((await system.control.stop()).code, 0);
});
