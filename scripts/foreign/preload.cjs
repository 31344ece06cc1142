// Before all else in a Node that qemu runs: what it starts by its own path is started in qemu too; and of the options of sockets those that
// qemu knows nothing of (ENOPROTOOPT: PACKET_*, MRT_*, IP_MULTICAST_IF with an index) are set and read by this machine's Node in its stead,
// on the very socket. Only for processors of this machine's byte order: the values are passed on as they are.
const { execFileSync } = require("node:child_process");
const { endianness } = require("node:os");

const { SEALCAST_FOREIGN_NODE, SEALCAST_HOST_NODE = "", SEALCAST_HOST_ADDON, SEALCAST_HOST_ORDER } = process.env;
const ENOPROTOOPT = 92;
/** Of this qemu reads one number, where there are nine. */
const [SOL_SOCKET, SO_MEMINFO] = [1, 55];

if (SEALCAST_FOREIGN_NODE !== undefined) process.execPath = SEALCAST_FOREIGN_NODE;

/** Takes the descriptor from the process, makes the call, and tells its result and the octets afterwards. */
const HOST = `
  const [addon, pid, fd, call, level, option, octets] = process.argv.slice(1);
  const sockets = require(addon);
  const value = Buffer.from(octets, "hex");
  const own = sockets.takeDescriptor(Number(pid), Number(fd));
  console.log(JSON.stringify([own < 0 ? own : sockets[call](own, Number(level), Number(option), value), value.toString("hex")]));
`;

/** @param {string} call @param {number} fd @param {number} level @param {number} option @param {Uint8Array} value */
function byHost(call, fd, level, option, value) {
  const words = [process.pid, fd, call, level, option].map(String);
  const args = ["-e", HOST, String(SEALCAST_HOST_ADDON), ...words, Buffer.from(value).toString("hex")];
  const [result, octets] = JSON.parse(execFileSync(SEALCAST_HOST_NODE, args, { encoding: "utf8" }));
  value.set(Buffer.from(octets, "hex"));
  return result;
}

/** @param {any} sockets the addon */
function passOn(sockets) {
  for (const call of ["setOption", "getOption"]) {
    const own = sockets[call];
    sockets[call] = (
      /** @type {number} */ fd,
      /** @type {number} */ level,
      /** @type {number} */ option,
      /** @type {Uint8Array} */ value,
    ) => {
      const result = own(fd, level, option, value);
      const isCut = level === SOL_SOCKET && option === SO_MEMINFO;
      return result === -ENOPROTOOPT || isCut ? byHost(call, fd, level, option, value) : result;
    };
  }
}

const { dlopen } = process;
process.dlopen = (/** @type {any} */ module, /** @type {string} */ file, /** @type {any[]} */ ...flags) => {
  Reflect.apply(dlopen, process, [module, file, ...flags]);
  if (!file.endsWith("sealcast_sockets.node")) return;
  // This one is qemu's own.
  const { releaseFiles } = module.exports;
  module.exports.releaseFiles = (/** @type {string} */ smaps) =>
    smaps === "/proc/self/smaps" ? 0 : releaseFiles(smaps);
  if (endianness() === SEALCAST_HOST_ORDER) passOn(module.exports);
};
