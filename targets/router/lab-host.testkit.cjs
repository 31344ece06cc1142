// Test support, run by `node` inside a namespace: a kernel host that joins ("join GROUP [SOURCE]", "join
// GROUP by ADDRESS-OF-AN-INTERFACE") and leaves, or a sender. Lines in, lines out.
const dgram = require("node:dgram");
const readline = require("node:readline");

const [, , role, address = "", port] = process.argv;
const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

function host() {
  const sockets = new Map();
  const join = (/** @type {string} */ group, /** @type {string | undefined} */ source, by = address) => {
    const socket = dgram.createSocket({ type: "udp4", reuseAddr: true });
    socket.on("message", (text) => say(`${group} ${text}`));
    socket.bind(Number(port), group, () => {
      if (source === undefined) socket.addMembership(group, by);
      else socket.addSourceSpecificMembership(source, group, by);
      say(`joined ${group}`);
    });
    sockets.set(group, socket);
  };
  const leave = (/** @type {string} */ group) => sockets.get(group)?.close(() => say(`left ${group}`));
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const [command, group = "", source, by] = line.split(" ");
    if (source === "by") join(group, undefined, by);
    else if (command === "join") join(group, source);
    else leave(group);
  });
  process.stdin.on("end", () => process.exit(0));
}

/** Sends a number to each group, a greater one each time; "?" asks for the last. */
function sender() {
  const socket = dgram.createSocket("udp4");
  const groups = new Set();
  let n = 0;
  socket.bind(0, address, () => {
    socket.setMulticastTTL(8);
    setInterval(() => {
      n++;
      for (const group of groups) socket.send(String(n), Number(port), group);
    }, 20);
    say("ready");
  });
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    if (line === "?") say(`sent ${n}`);
    else groups.add(line);
  });
  process.stdin.on("end", () => process.exit(0));
}

if (role === "host") host();
else sender();
