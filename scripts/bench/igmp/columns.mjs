// One part of the benches for every router: ours first, then each peer, or why it has no figures.
import { existsSync } from "node:fs";
import { sideBySide } from "./figures.mjs";

/**
 * @typedef {import("./parts.mjs").PartName} PartName
 * @typedef {import("./parts.mjs").Part} Part
 * @typedef {import("./parts.mjs").Measurement} Measurement
 * @typedef {import("./figures.mjs").Column} Column
 */

/** In words for people; undefined when it is there. @param {import("./routers.mjs").Router} router */
export const absence = ({ name, package: from, program }) =>
  existsSync(program) ? undefined : `${name} is not installed: the package ${from} has it`;

/**
 * A router's part. Failures are answers: a peer that fails says so in its column.
 * @param {PartName} name
 * @param {Part} part
 * @param {Measurement} measurement
 * @returns {Promise<Column>}
 */
export async function columnOf(name, part, measurement) {
  const { router } = measurement;
  const cannot = absence(router) ?? router.cannot[name];
  if (cannot !== undefined) return { name: router.name, cannot };
  try {
    return { name: router.name, values: await part.measure(measurement) };
  } catch (error) {
    return { name: router.name, cannot: `failed: ${error instanceof Error ? error.message : error}` };
  }
}

/**
 * One after the other, so that each has the machine for itself. Throws when ours has no figures.
 * @param {PartName} name
 * @param {Part} part
 * @param {Measurement[]} measurements ours first
 */
export async function measurePart(name, part, measurements) {
  /** @type {Column[]} */
  const columns = [];
  for (const measurement of measurements) columns.push(await columnOf(name, part, measurement));
  const beside = await part.beside?.();
  if (beside !== undefined) columns.push(beside);
  const [ours, ...peers] = columns;
  if (ours === undefined || "cannot" in ours) throw new Error(`sealcast: ${ours?.cannot}`);
  return sideBySide(name, ours.values, peers);
}
