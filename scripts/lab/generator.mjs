// Sends the numbered stream as UDP at an even rate and records exactly what it sent: generator.mjs ADDRESS PORT BITS-PER-SECOND FILE
import { createSocket } from "node:dgram";
import { closeSync, openSync, writeSync } from "node:fs";
import { PACKET, PACKETS_PER_DATAGRAM, writePackets } from "./numbered.mjs";

const [address, port, rate, path] = process.argv.slice(2);
const SIZE = PACKET * PACKETS_PER_DATAGRAM;
const interval = (SIZE * 8 * 1000) / Number(rate);
/** After a pause of the machine it catches up in steps that a socket buffer holds. */
const MOST_AT_ONCE = 24;

const socket = createSocket("udp4");
const file = openSync(path ?? "", "w");
const begin = performance.now();
let sent = 0;

function sendOne() {
  const datagram = Buffer.alloc(SIZE);
  writePackets(datagram, sent * PACKETS_PER_DATAGRAM);
  writeSync(file, datagram);
  socket.send(datagram, Number(port), address);
  sent += 1;
}

function sendDue() {
  const due = Math.floor((performance.now() - begin) / interval) - sent;
  for (let left = Math.min(due, MOST_AT_ONCE); left > 0; left--) sendOne();
}

const timer = setInterval(sendDue, 2);
process.on("SIGTERM", () => {
  clearInterval(timer);
  closeSync(file);
  socket.close();
  process.stdout.write(`${JSON.stringify({ datagrams: sent })}\n`);
});
socket.bind(0, () => {
  socket.setMulticastTTL(16);
  process.stdout.write("sending\n");
});
