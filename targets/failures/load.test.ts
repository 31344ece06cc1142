// SIGTERM while everything is busy: groups are left, stops are sent and recorded, and it takes less than two seconds.
import assert from "node:assert/strict";
import dgram from "node:dgram";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Configured, Json } from "./bundles.testkit.ts";
import { scratch } from "./bundles.testkit.ts";
import { numbered, System } from "./system.testkit.ts";

const folder = scratch("load");
const GROUP = "239.255.79.13";
/** As /proc/net/igmp spells it. */
const GROUP_THERE = "0D4FFFEF";
const AT_ONCE = 40;

/** 20,000 datagrams a second to one address until it is stopped. */
function load(address: string, port: number): () => void {
  const socket = dgram.createSocket("udp4");
  const payload = numbered(7);
  socket.bind(0, "127.0.0.1", () => socket.setMulticastInterface("127.0.0.1"));
  const timer = setInterval(() => {
    for (let n = 0; n < AT_ONCE; n++) socket.send(payload, port, address);
  }, 2);
  return () => {
    clearInterval(timer);
    socket.close();
  };
}

async function endsInTime(bundle: Configured): Promise<void> {
  const { code, took } = await bundle.stop();
  assert.equal(code, 0, bundle.text);
  assert.ok(took < 2000, `${bundle.target}: ${took} ms`);
}

const members = (): boolean => readFileSync("/proc/net/igmp", "utf8").includes(GROUP_THERE);

test("SIGTERM under load: the set-top's groups and stops, the headend, and control with its set-tops", async () => {
  const system = await System.start(folder, GROUP);
  after(() => system.close());
  const headend = await system.headend();
  const boxes: Configured[] = [];
  for (let n = 0; n < 3; n++)
    boxes.push(await system.settop(`box-${n}`, { output: { form: "file", path: join(folder, `${n}.ts`) } }));
  assert.ok(members());
  const quiet = [load(GROUP, system.port), load("127.0.0.1", system.inputPort)];
  after(() => {
    for (const stop of quiet) stop();
  });
  for (const box of boxes)
    await box.see("the load", ({ channels: [one] }: Json) => one.datagrams > 2000 && one.handedOn > 500);

  await Promise.all(boxes.slice(0, 2).map(endsInTime));
  const { reception } = await system.control.status();
  assert.equal(reception.messages.received["84"], 2);
  assert.deepEqual(
    (await system.control.command("receptions")).map(({ device }: Json) => device),
    ["box-2"],
  );
  await endsInTime(headend);
  await endsInTime(system.control);
  const [last] = boxes.slice(2);
  if (last !== undefined) await endsInTime(last);
  assert.equal(members(), false);
});
