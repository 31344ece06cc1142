// Test support, run by `node` inside a namespace: puts each line of standard input, an IPv4 packet in hex, on the link of an interface.
// Usage: node targets/router/lab-packets.testkit.cjs INTERFACE ; says "ready", and "sent" for each; ends when its standard input does.
const { readFileSync } = require("node:fs");
const { endianness } = require("node:os");
const readline = require("node:readline");
const raw = require("raw-socket");

const IPPROTO_IP = 0;
const IP_HDRINCL = 3;
const IP_MULTICAST_IF = 32;
const IP_MULTICAST_LOOP = 34;
const DESTINATION = 16;
const IPPROTO_RAW = 255;

const [, , device] = process.argv;

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

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const packet = Buffer.from(line, "hex");
  const destination = packet.subarray(DESTINATION, DESTINATION + 4).join(".");
  /** @type {any} */ (socket.wrap).send(packet, 0, packet.length, destination, (/** @type {unknown} */ error) => {
    process.stdout.write(error instanceof Error ? `${error.message}\n` : "sent\n");
  });
});
process.stdin.on("end", () => process.exit(0));
process.stdout.write("ready\n");
