// A figure of a bench: ours, theirs, and the ratio of both, which is all that one machine tells another.

/** @typedef {{ name: string, unit: string, ours: number, against: string, theirs: number }} Measured */

/** Three digits that matter. */
const rounded = (/** @type {number} */ value) =>
  Number(value.toPrecision(value >= 1000 ? Math.ceil(Math.log10(value)) : 3));

/** @param {Measured} figure */
export function withRatio({ name, unit, ours, against, theirs }) {
  return { name, unit, ours: rounded(ours), against, theirs: rounded(theirs), ratio: rounded(ours / theirs) };
}

/** @param {ReturnType<typeof withRatio>} figure */
export function printFigure({ name, unit, ours, against, theirs, ratio }) {
  process.stdout.write(`${name}: ${ours} ${unit}; ${against}: ${theirs} ${unit}; ratio ${ratio}\n`);
}
