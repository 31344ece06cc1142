// How often each numbered message of the patent was seen, as the servers and the routers count them.

/** 61 is the stream itself. */
export const NUMBERS = [71, 72, 73, 74, 75, 76, 81, 82, 83, 84, 85, 86, 91, 92, 93, 94, 95];

/** Requests of set-tops are counted where they arrive, and what the servers say where they say it. */
const RECEIVED = ["73", "83", "92"];

/** @typedef {Record<string, number>} Counts */

/**
 * What a key server or reception server has counted: `messages: { sent, received }` by number.
 * @param {any} part
 * @returns {Counts}
 */
function countsOf(part) {
  /** @type {Counts} */
  const counts = {};
  for (const [number, count] of Object.entries(part?.messages?.sent ?? {})) counts[number] = Number(count);
  for (const number of RECEIVED) counts[number] = Number(part?.messages?.received?.[number] ?? 0);
  return counts;
}

/**
 * The same of a process that is one of them, or (`control`) both.
 * @param {any} status
 * @returns {Counts}
 */
export const messagesOf = (status) =>
  status?.keyServer === undefined
    ? countsOf(status)
    : addCounts(countsOf(status.keyServer), countsOf(status.reception));

/** @param {...Counts} all */
export function addCounts(...all) {
  return Object.fromEntries(
    NUMBERS.map((number) => [number, all.reduce((sum, counts) => sum + (counts[number] ?? 0), 0)]),
  );
}

/**
 * 71, 72, 81 and 82 between a client and its router.
 * @param {any} status of a router
 * @returns {Counts}
 */
export const routerMessagesOf = (status) => status?.messages ?? {};
