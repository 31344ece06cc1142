// Test support, run by `node` inside a namespace: puts IPv4 packets on the link of an interface, five a millisecond in turn.
// Usage: node hal/igmp/lab-flood.testkit.cjs INTERFACE PACKET-IN-HEX... ; says "flooding"; ends when its standard input does.
const { readFileSync } = require("node:fs");
const { endianness } = require("node:os");
const raw = require("raw-socket");

const IPPROTO_IP = 0;
const IP_HDRINCL = 3;
const IP_MULTICAST_IF = 32;
const IP_MULTICAST_LOOP = 34;
const DESTINATION = 16;
const IPPROTO_RAW = 255;

const [, , device, ...hexes] = process.argv;
const packets = hexes.map((hex) => Buffer.from(hex, "hex"));

/** @param {number[]} words */
const nativeWords = (...words) => {
  const octets = Buffer.alloc(4 * words.length);
  words.forEach(
    (word, i) => void (endianness() === "LE" ? octets.writeInt32LE(word, 4 * i) : octets.writeInt32BE(word, 4 * i)),
  );
  return octets;
};

const socket = raw.createSocket({ protocol: IPPROTO_RAW });
const index = Number(readFileSync(`/sys/class/net/${device}/ifindex`, "utf8"));
socket.setOption(IPPROTO_IP, IP_HDRINCL, nativeWords(1), 4);
socket.setOption(IPPROTO_IP, IP_MULTICAST_LOOP, nativeWords(0), 4);
// struct ip_mreqn: no group, no address, the index.
socket.setOption(IPPROTO_IP, IP_MULTICAST_IF, nativeWords(0, 0, index), 12);

let next = 0;
setInterval(() => {
  for (let times = 0; times < 5; times++) {
    const packet = packets[next++ % packets.length];
    socket.wrap.send(packet, 0, packet.length, packet.subarray(DESTINATION, DESTINATION + 4).join("."), () => {});
  }
}, 1);
process.stdout.write("flooding\n");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
