// Our value beside each peer's: the ratio, the table that is printed, the form that is written.

/**
 * @typedef {import("./parts.mjs").Value} Value
 * @typedef {{ name: string, values: Value[] } | { name: string, cannot: string }} Column one router's part
 * @typedef {{ name: string, value: number, ratio: number | null, atLeast?: true } | { name: string, cannot: string }} Peer
 *   ratio: ours / theirs; null where theirs is 0
 * @typedef {{ part: string, name: string, unit: string, ours: number | null, atLeast?: true, cannot?: string, peers: Peer[] }} Figure
 *   `atLeast`: the tester could not ask for more
 */

/** Three digits that matter. */
const rounded = (/** @type {number} */ value) =>
  Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));

const bound = (/** @type {Value} */ value) => ("atLeast" in value ? { atLeast: /** @type {const} */ (true) } : {});

/** @param {Value} ours @param {Column} column @returns {Peer} */
function peerOf(ours, column) {
  const { name } = column;
  if ("cannot" in column) return { name, cannot: column.cannot };
  const theirs = column.values.find((value) => value.name === ours.name);
  if (theirs === undefined) return { name, cannot: "not measured" };
  if ("cannot" in theirs) return { name, cannot: theirs.cannot };
  const ratio = "value" in ours && theirs.value !== 0 ? rounded(ours.value / theirs.value) : null;
  return { name, value: rounded(theirs.value), ratio, ...bound(theirs) };
}

/**
 * One figure for each value of ours.
 * @param {string} part
 * @param {Value[]} ours
 * @param {Column[]} columns
 * @returns {Figure[]}
 */
export const sideBySide = (part, ours, columns) =>
  ours.map((one) => ({
    part,
    name: one.name,
    unit: one.unit,
    ...("cannot" in one ? { ours: null, cannot: one.cannot } : { ours: rounded(one.value), ...bound(one) }),
    peers: columns.map((column) => peerOf(one, column)),
  }));

const shown = (/** @type {number} */ value, /** @type {true | undefined} */ atLeast) =>
  `${atLeast ? ">=" : ""}${value}`;

/** @param {Peer} peer */
const cellOf = (peer) =>
  "cannot" in peer
    ? `${peer.name} -`
    : `${peer.name} ${shown(peer.value, peer.atLeast)}${peer.ratio === null ? "" : ` (ratio ${peer.ratio})`}`;

/** Each reason once. @param {Figure[]} figures */
function reasonsOf(figures) {
  const reasons = figures.flatMap(({ name, cannot, peers }) => [
    ...(cannot === undefined ? [] : [`sealcast, ${name}: ${cannot}`]),
    ...peers.flatMap((peer) => ("cannot" in peer ? [`${peer.name} -: ${peer.cannot}`] : [])),
  ]);
  return [...new Set(reasons)];
}

/**
 * Lines for people: a figure each, in columns, then why there are gaps.
 * @param {Figure[]} figures of one part
 * @returns {string[]}
 */
export function linesOf(figures) {
  const rows = figures.map(({ name, unit, ours, atLeast, peers }) => [
    name,
    `${ours === null ? "-" : shown(ours, atLeast)} ${unit}`,
    ...peers.map(cellOf),
  ]);
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd(),
  );
  return [...lines, ...reasonsOf(figures).map((reason) => `  ${reason}`)];
}
