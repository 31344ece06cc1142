// Reads what a shared object asks of whoever loads it: ELF ("System V Application Binary Interface", chapters 4 and 5), 32 and 64 bit,
// either byte order.

/** e_machine, by Node's process.arch. */
export const MACHINES = { arm: 40, x64: 62, arm64: 183, riscv64: 243, s390x: 22 };

const [SHT_DYNAMIC, SHT_DYNSYM] = [6, 11];
const [DT_NEEDED, DT_VERNEED] = [1, 0x6ffffffe];
const PT_GNU_STACK = 0x6474e551;

/**
 * @typedef {object} SharedObject
 * @property {number} machine e_machine
 * @property {boolean} isBigEndian
 * @property {string[]} needed libraries that are loaded with it
 * @property {boolean} hasVersions whether it asks for versions of symbols
 * @property {boolean} hasExecutableStack
 * @property {string[]} asked symbols that somebody else has to have
 * @property {string[]} weak of these, what may be missing
 * @property {string[]} given symbols that it has
 */

/** Numbers in the file's own width and order. @param {Buffer} file */
function fields(file) {
  const is64 = file[4] === 2;
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const isLittle = file[5] === 1;
  const half = (/** @type {number} */ at) => view.getUint16(at, isLittle);
  const word = (/** @type {number} */ at) => view.getUint32(at, isLittle);
  const long = (/** @type {number} */ at) => (is64 ? Number(view.getBigUint64(at, isLittle)) : word(at));
  return { is64, isLittle, half, word, long };
}

/** @typedef {ReturnType<typeof fields>} Fields */

/** @param {Fields} from */
function sections({ is64, half, word, long }) {
  const table = long(is64 ? 0x28 : 0x20);
  const [size, count] = [half(is64 ? 0x3a : 0x2e), half(is64 ? 0x3c : 0x30)];
  return Array.from({ length: count }, (_, i) => {
    const at = table + i * size;
    const at64 = { offset: at + 24, size: at + 32, link: at + 40 };
    const at32 = { offset: at + 16, size: at + 20, link: at + 24 };
    const places = is64 ? at64 : at32;
    return { type: word(at + 4), offset: long(places.offset), size: long(places.size), link: word(places.link) };
  });
}

/** @param {Fields} from */
function hasExecutableStack({ is64, half, word, long }) {
  const table = long(is64 ? 0x20 : 0x1c);
  const [size, count] = [half(is64 ? 0x36 : 0x2a), half(is64 ? 0x38 : 0x2c)];
  const headers = Array.from({ length: count }, (_, i) => table + i * size);
  const stack = headers.find((at) => word(at) === PT_GNU_STACK);
  // Without the header the stack of everything is made executable.
  return stack === undefined || (word(stack + (is64 ? 4 : 24)) & 1) !== 0;
}

/**
 * Throws RangeError when it is no ELF file.
 * @param {Buffer} file
 * @returns {SharedObject}
 */
export function readSharedObject(file) {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46) throw new RangeError("this is no ELF file");
  const from = fields(file);
  const { is64, isLittle, half, word, long } = from;
  const all = sections(from);
  const text = (/** @type {number} */ at) => file.toString("latin1", at, file.indexOf(0, at));
  const entriesOf = (/** @type {number} */ type, /** @type {number} */ octets) =>
    all
      .filter((section) => section.type === type)
      .flatMap(({ offset, size, link }) =>
        Array.from({ length: size / octets }, (_, i) => ({
          at: offset + i * octets,
          strings: all[link]?.offset ?? 0,
        })),
      );
  const wide = is64 ? 8 : 4;
  const tags = entriesOf(SHT_DYNAMIC, 2 * wide).map(({ at, strings }) => ({
    tag: long(at),
    value: long(at + wide),
    strings,
  }));
  const symbols = entriesOf(SHT_DYNSYM, is64 ? 24 : 16)
    .map(({ at, strings }) => ({
      name: text(strings + word(at)),
      isWeak: (file[at + (is64 ? 4 : 12)] ?? 0) >> 4 === 2,
      isAsked: half(at + (is64 ? 6 : 14)) === 0,
    }))
    .filter(({ name }) => name !== "");
  const asked = symbols.filter(({ isAsked }) => isAsked);
  return {
    machine: half(18),
    isBigEndian: !isLittle,
    needed: tags.filter(({ tag }) => tag === DT_NEEDED).map(({ value, strings }) => text(strings + value)),
    hasVersions: tags.some(({ tag }) => tag === DT_VERNEED),
    hasExecutableStack: hasExecutableStack(from),
    asked: asked.map(({ name }) => name).sort(),
    weak: asked.filter(({ isWeak }) => isWeak).map(({ name }) => name),
    given: symbols.filter(({ isAsked }) => !isAsked).map(({ name }) => name),
  };
}
