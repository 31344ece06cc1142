// A tar archive whose octets depend on its entries only: POSIX ustar, sorted, owner 0, one time for all.
const BLOCK = 512;

/**
 * @typedef {{ path: string, mode?: number, content?: Buffer, link?: string }} Entry
 *   a file has `content`, a symbolic link `link`, a folder neither; `mode` 0644 for files and 0755 for the others when it is left out
 */

/**
 * @param {readonly Entry[]} entries
 * @param {number} time seconds since 1970
 */
export function tar(entries, time) {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));
  const parts = sorted.flatMap((entry) => [header(entry, time), padded(entry.content ?? Buffer.alloc(0))]);
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function padded(/** @type {Buffer} */ content) {
  return Buffer.concat([content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}

const octal = (/** @type {number} */ value, /** @type {number} */ digits) =>
  `${value.toString(8).padStart(digits, "0")}\0`;

function kindOf(/** @type {Entry} */ entry) {
  if (entry.link !== undefined) return "2";
  return entry.content === undefined ? "5" : "0";
}

/**
 * IEEE Std 1003.1 "ustar Interchange Format".
 * @param {Entry} entry
 * @param {number} time
 */
function header(entry, time) {
  const kind = kindOf(entry);
  const name = kind === "5" ? `${entry.path}/` : entry.path;
  if (Buffer.byteLength(name) > 100) throw new RangeError(`too long for ustar: ${name}`);
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0);
  block.write(octal(entry.mode ?? (kind === "0" ? 0o644 : 0o755), 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(entry.content?.length ?? 0, 11), 124);
  block.write(octal(time, 11), 136);
  block.write("        ", 148);
  block.write(kind, 156);
  block.write(entry.link ?? "", 157);
  block.write("ustar\u000000", 257);
  block.write("root", 265);
  block.write("root", 297);
  const sum = block.reduce((total, octet) => total + octet, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** Every folder above the given paths, once. @param {readonly string[]} paths */
export function foldersOf(paths) {
  const folders = new Set(["."]);
  for (const path of paths) {
    const steps = path.split("/").slice(0, -1);
    for (let i = 1; i <= steps.length; i++) folders.add(steps.slice(0, i).join("/"));
  }
  return [...folders].map((path) => ({ path }));
}
