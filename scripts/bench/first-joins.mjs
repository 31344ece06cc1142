// The first viewers of a router that has just started, from the packet to the route: the whole service on sockets that are none, in
// processes of its own. What the rehearsal at the start is worth, and that counters, log and evidence wait for the routes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { median } from "./support/measure.mjs";

const ROUTER = `${import.meta.dirname}/support/started-router.mjs`;

/** @typedef {{ first: number, last: number, served: number }} Times microseconds to the first route, and to the last of 50 */

/** @param {string[]} how @returns {Promise<Times>} */
async function started(how) {
  const child = spawn(process.execPath, [ROUTER, ...how], { stdio: ["ignore", "pipe", "pipe"] });
  // Read, as a log is.
  child.stderr.resume();
  let told = "";
  child.stdout.on("data", (/** @type {Buffer} */ part) => {
    told += part.toString();
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`the router ended with ${code}`);
  const times = JSON.parse(told);
  if (times.served !== 50) throw new Error(`${times.served} of 50 viewers got their stream`);
  return times;
}

/** @param {{ quick: boolean }} how */
export async function run({ quick }) {
  /** @type {{ ours: Times[], cold: Times[], inOrder: Times[] }} */
  const measured = { ours: [], cold: [], inOrder: [] };
  for (let left = quick ? 1 : 9; left > 0; left--) {
    measured.ours.push(await started(["rehearsed", "routes-first"]));
    measured.cold.push(await started(["routes-first"]));
    measured.inOrder.push(await started(["rehearsed"]));
  }
  const middle = (/** @type {Times[]} */ all, /** @type {"first" | "last"} */ which) =>
    median(all.map((one) => one[which]));
  return [
    {
      name: "the first join after a start",
      unit: "µs",
      ours: middle(measured.ours, "first"),
      against: "without a rehearsal",
      theirs: middle(measured.cold, "first"),
    },
    {
      name: "50 joins at once after a start, to the last route",
      unit: "µs",
      ours: middle(measured.ours, "last"),
      against: "without a rehearsal",
      theirs: middle(measured.cold, "last"),
    },
    {
      name: "50 joins at once, to the last route",
      unit: "µs",
      ours: middle(measured.ours, "last"),
      against: "each counted and logged before the next",
      theirs: middle(measured.inOrder, "last"),
    },
  ];
}
