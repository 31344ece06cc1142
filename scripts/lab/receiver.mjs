// A plain receiver, without sealcast: receiver.mjs GROUP PORT [SOURCE]. Says when it has joined, and when the first packet came after how long.
import { createSocket } from "node:dgram";

const [group = "", port, source] = process.argv.slice(2);
const socket = createSocket({ type: "udp4", reuseAddr: true });
let begin = 0;
socket.once("message", (message) => {
  process.stdout.write(`${JSON.stringify({ first: performance.now() - begin, octets: message.length })}\n`);
});
socket.bind(Number(port), group, () => {
  begin = performance.now();
  if (source === undefined) socket.addMembership(group);
  else socket.addSourceSpecificMembership(source, group);
  process.stdout.write("joined\n");
});
process.on("SIGTERM", () => socket.close());
