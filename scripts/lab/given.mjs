// What is there only after something has been started: asked for too early it is our own mistake, and says so.

/**
 * @template T
 * @param {T | undefined} value
 * @param {string} what for the message: "the broker"
 * @returns {T}
 */
export function given(value, what) {
  if (value === undefined) throw new Error(`${what} is not there (yet)`);
  return value;
}
