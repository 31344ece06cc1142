// The table of a comparison: each router through each case, each failure an answer.
import { CASES } from "./cases.mjs";
import { Place } from "./place.mjs";

/** @typedef {{ name: string, holds: boolean, why: string }} Row */

/**
 * One router through all cases.
 * @param {import("../lab/run.mjs").Run} run
 * @param {import("../bench/igmp/routers.mjs").Router} kind
 * @param {(row: Row) => void} told as soon as it is known
 */
export async function columnOf(run, kind, told) {
  const place = new Place(run, kind);
  await place.up();
  for (const one of CASES) told({ name: one.name, ...(await verdictOf(place, one)) });
  await place.stop();
}

/** @param {Place} place @param {import("./cases.mjs").Case} one */
async function verdictOf(place, one) {
  if (one.hears && place.kind.static) return { holds: false, why: "its routes are static: it hears no host" };
  try {
    const { running } = place;
    if (one.fresh || running === undefined || running.main.ended !== undefined) await place.start();
    return await one.run(place);
  } catch (error) {
    // A peer that fails says so in its column.
    return { holds: false, why: `failed: ${error instanceof Error ? error.message.split("\n")[0] : error}` };
  } finally {
    await place.clear();
  }
}
