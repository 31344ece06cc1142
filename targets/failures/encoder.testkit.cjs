// Test support, run by `node` inside a namespace: an encoder that sends transport stream to a group every 10 ms, for ever.
const dgram = require("node:dgram");
const { readFileSync } = require("node:fs");

const [, , file = "", own = "", group = "", port = ""] = process.argv;
const PAYLOAD = 7 * 188;
const stream = readFileSync(file);
const socket = dgram.createSocket("udp4");
let at = 0;
socket.bind(0, own, () => {
  socket.setMulticastInterface(own);
  setInterval(() => {
    if (at + PAYLOAD > stream.length) at = 0;
    socket.send(stream.subarray(at, at + PAYLOAD), Number(port), group);
    at += PAYLOAD;
  }, 10);
  process.stdout.write("sending\n");
});
process.stdin.on("end", () => process.exit(0)).resume();
