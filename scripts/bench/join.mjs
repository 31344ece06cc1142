// From the join to the first clear packet, beside a plain kernel join to its first packet, in the same namespaces at the same rate.
import { isRoot } from "../checks/tests.mjs";
import { channelOf } from "../lab/settop.mjs";
import { System } from "../lab/system.mjs";
import { ask, observe } from "../lab/waiting.mjs";
import { median } from "./support/measure.mjs";

const TIMES = 5;
const RATE = 3_000_000;
const PLAIN_GROUP = "239.41.0.8";
const PLAIN_PORT = "5200";
const LAB = `${import.meta.dirname}/../lab`;
/** Until the routers have forgotten the last member (RFC 3376 8.8, twice: its router and router 42). */
const FORGOTTEN = 5500;

/** @param {System} system */
async function plainJoins(system) {
  const { headend, settop21 } = system.places;
  const args = [`${LAB}/generator.mjs`, PLAIN_GROUP, PLAIN_PORT, String(RATE), system.run.path("plain.ts")];
  await system.run.start("plain", { place: headend, program: "node", args }).line(/sending/);
  const taken = [];
  for (let left = TIMES; left > 0; left--) {
    const program = [`${LAB}/receiver.mjs`, PLAIN_GROUP, PLAIN_PORT];
    const receiver = system.run.start(`receiver${left}`, { place: settop21, program: "node", args: program });
    taken.push(JSON.parse(await receiver.line(/first/)).first);
    await receiver.stop();
    await observe(FORGOTTEN);
  }
  return median(taken);
}

/** @param {System} system */
async function clearJoins(system) {
  const settop = await system.settop("settop21", { tune: [] });
  await settop.start();
  await settop.until("the broker", (status) => status.broker === "connected");
  const taken = [];
  for (let left = TIMES; left > 0; left--) {
    await settop.command("tune", { channel: "one" });
    const zapMs = await ask("a picture", async () => channelOf(await settop.status(), "one")?.zapMs);
    taken.push(zapMs);
    await settop.command("stop", { channel: "one" });
    await observe(FORGOTTEN);
  }
  return median(taken);
}

export async function run() {
  if (!isRoot()) throw new Error("network namespaces need root");
  const system = await System.start({ rate: RATE, interval: 300 });
  try {
    const theirs = await plainJoins(system);
    const ours = await clearJoins(system);
    return [
      { name: "join to first clear packet", unit: "ms", ours, against: "plain kernel join to first packet", theirs },
    ];
  } finally {
    await system.close();
  }
}
