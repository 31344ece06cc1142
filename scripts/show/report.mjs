// What the demo found, as JSON, and whether everything held.
import { NUMBERS } from "../lab/messages.mjs";

/**
 * @typedef {import("./viewer.mjs").ViewerReport} ViewerReport
 * @typedef {{
 *   ok: boolean, seconds: number, messages: Record<string, number>, epochs: number, settops: ViewerReport[],
 *   receptions: { live: number, closed: number }, denied: number,
 * }} Report
 * @typedef {Omit<Report, "ok"> & { stranger: ViewerReport, liveAtTheEnd: number }} Findings
 */

/** @param {ViewerReport} settop */
function faultsOf({ id, received, lost, duplicated, identical, zapMs }) {
  const faults = [];
  if (received === 0 || zapMs === undefined) faults.push(`${id} never had a picture`);
  if (lost > 0) faults.push(`${id} lost ${lost} packets`);
  if (duplicated > 0) faults.push(`${id} got ${duplicated} packets twice`);
  if (!identical) faults.push(`the output of ${id} is not what went into the headend`);
  return faults;
}

/**
 * Everything that did not hold, in words; empty when all did.
 * @param {Findings} found
 * @returns {string[]}
 */
export function faults({ messages, epochs, settops, receptions, denied, stranger, liveAtTheEnd }) {
  const missing = NUMBERS.filter((number) => (messages[number] ?? 0) === 0);
  return [
    ...settops.flatMap(faultsOf),
    ...(missing.length > 0 ? [`messages ${missing.join(", ")} were never seen`] : []),
    ...(epochs < 3 ? [`only ${epochs} epochs`] : []),
    ...(denied === 0 ? ["nobody was denied"] : []),
    ...(stranger.received > 0 ? [`the stranger decrypted ${stranger.received} packets`] : []),
    ...(receptions.closed === 0 ? ["no reception was closed while the others went on"] : []),
    ...(liveAtTheEnd > 0 ? [`${liveAtTheEnd} receptions are live after everybody has stopped`] : []),
  ];
}

/**
 * @param {Findings} found
 * @returns {Report}
 */
export function report({ seconds, messages, epochs, settops, receptions, denied, ...rest }) {
  const ok = faults({ seconds, messages, epochs, settops, receptions, denied, ...rest }).length === 0;
  return { ok, seconds, messages, epochs, settops, receptions, denied };
}
