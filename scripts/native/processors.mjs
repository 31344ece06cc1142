// The processors that our own addon is compiled for, by the name that Node has for each (process.arch).

/**
 * @typedef {object} Processor
 * @property {string} triplet what Debian's compiler for it is called after, and where that keeps the C library (/usr/TRIPLET)
 * @property {string} debian Debian's name for it
 * @property {readonly string[]} flags the least that a box of this kind has
 * @property {boolean} shipped in bundles; else the tests alone want it
 */

/** @type {Readonly<Record<string, Processor>>} */
export const PROCESSORS = {
  x64: { triplet: "x86_64-linux-gnu", debian: "amd64", flags: [], shipped: true },
  arm64: { triplet: "aarch64-linux-gnu", debian: "arm64", flags: [], shipped: true },
  // OpenWrt's cortex-a5 to a15 with an FPU: VFPv3 with 16 registers, no NEON, no division of integers.
  arm: {
    triplet: "arm-linux-gnueabihf",
    debian: "armhf",
    flags: ["-march=armv7-a+fp", "-mfloat-abi=hard"],
    shipped: true,
  },
  riscv64: { triplet: "riscv64-linux-gnu", debian: "riscv64", flags: [], shipped: true },
  // The one big-endian processor that Node has builds for.
  s390x: { triplet: "s390x-linux-gnu", debian: "s390x", flags: [], shipped: false },
};

/** @param {string} arch */
export function processorOf(arch) {
  const processor = PROCESSORS[arch];
  if (processor === undefined)
    throw new RangeError(`no processor ${arch}; there are ${Object.keys(PROCESSORS).join(", ")}`);
  return processor;
}

/** What a bundle holds: this machine's first, for whoever has no other compiler. @returns {string[]} */
export function shippedProcessors() {
  const shipped = Object.keys(PROCESSORS).filter((arch) => PROCESSORS[arch]?.shipped);
  return [process.arch, ...shipped.filter((arch) => arch !== process.arch)];
}
