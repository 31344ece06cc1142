// Test support, for scripts run by `node` inside a namespace: IPv4 packets as they are on the link of an interface. They are not heard here.
const { readFileSync } = require("node:fs");
const { endianness } = require("node:os");
const raw = require("raw-socket");

const IPPROTO_IP = 0;
const IP_HDRINCL = 3;
const IP_MULTICAST_IF = 32;
const IP_MULTICAST_LOOP = 34;
const DESTINATION = 16;
const IPPROTO_RAW = 255;

/** @param {number[]} words */
const nativeWords = (...words) => {
  const octets = Buffer.alloc(4 * words.length);
  words.forEach(
    (word, i) => void (endianness() === "LE" ? octets.writeInt32LE(word, 4 * i) : octets.writeInt32BE(word, 4 * i)),
  );
  return octets;
};

/**
 * The way to put a packet on the link: called with it, and with what is to be done then.
 * @param {string} device
 * @returns {(packet: Buffer, sent: (error: unknown) => void) => void}
 */
function onLink(device) {
  const socket = raw.createSocket({ protocol: IPPROTO_RAW });
  const index = Number(readFileSync(`/sys/class/net/${device}/ifindex`, "utf8"));
  socket.setOption(IPPROTO_IP, IP_HDRINCL, nativeWords(1), 4);
  socket.setOption(IPPROTO_IP, IP_MULTICAST_LOOP, nativeWords(0), 4);
  // struct ip_mreqn: no group, no address, the index.
  socket.setOption(IPPROTO_IP, IP_MULTICAST_IF, nativeWords(0, 0, index), 12);
  return (packet, sent) => {
    const destination = packet.subarray(DESTINATION, DESTINATION + 4).join(".");
    /** @type {any} */ (socket.wrap).send(packet, 0, packet.length, destination, sent);
  };
}

module.exports = { onLink };
