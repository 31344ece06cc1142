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
function wrong({ settops, stranger, liveAtTheEnd }) {
  return [
    ...settops.flatMap(faultsOf),
    ...(stranger.received > 0 ? [`the stranger decrypted ${stranger.received} packets`] : []),
    ...(liveAtTheEnd > 0 ? [`${liveAtTheEnd} receptions are live after everybody has stopped`] : []),
  ];
}

/**
 * Every part of the story that was not told; only a run that was not interrupted must tell them all.
 * @param {Findings} found
 * @returns {string[]}
 */
function untold({ messages, epochs, receptions, denied }) {
  const missing = NUMBERS.filter((number) => (messages[number] ?? 0) === 0);
  return [
    ...(missing.length > 0 ? [`messages ${missing.join(", ")} were never seen`] : []),
    ...(epochs < 3 ? [`only ${epochs} epochs`] : []),
    ...(denied === 0 ? ["nobody was denied"] : []),
    ...(receptions.closed === 0 ? ["no reception was closed while the others went on"] : []),
  ];
}

/**
 * @param {Findings} found
 * @param {{ interrupted: boolean }} how
 * @returns {string[]}
 */
export const faults = (found, { interrupted }) => [...wrong(found), ...(interrupted ? [] : untold(found))];

/**
 * @param {Findings} found
 * @param {boolean} ok
 * @returns {Report}
 */
export const report = ({ seconds, messages, epochs, settops, receptions, denied }, ok) => ({
  ok,
  seconds,
  messages,
  epochs,
  settops,
  receptions,
  denied,
});
