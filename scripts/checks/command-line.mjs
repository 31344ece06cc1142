// How every command of ours ends when it is called with something that it does not know.

/** EX_USAGE of sysexits.h. */
const USAGE_ERROR = 64;

/**
 * What `parse` returns; when it throws, its message goes to standard error and the process ends with 64.
 * @template T
 * @param {string} program its name, before the message
 * @param {() => T} parse throws an Error whose message is for the user
 * @returns {T}
 */
export function optionsOf(program, parse) {
  try {
    return parse();
  } catch (error) {
    process.stderr.write(`${program}: ${error instanceof Error ? error.message : error}\n`);
    process.exit(USAGE_ERROR);
  }
}
