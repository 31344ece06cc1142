// Test support, run by `node` inside a namespace: a numbered stream at a steady rate, and a viewer that counts what is missing.
const dgram = require("node:dgram");
const { readFileSync } = require("node:fs");
const readline = require("node:readline");

const [, , role, address = "", port = "", rate = ""] = process.argv;
const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);
const lines = () => readline.createInterface({ input: process.stdin });
process.stdin.on("end", () => process.exit(0));

/** Lines: groups to send to. However late a turn of the event loop is, the rate holds. */
function stream() {
  const socket = dgram.createSocket("udp4");
  const groups = new Set();
  socket.bind(0, address, () => {
    socket.setMulticastTTL(8);
    const began = performance.now();
    let n = 0;
    setInterval(() => {
      for (const due = ((performance.now() - began) / 1000) * Number(rate); n < due; n++)
        for (const group of groups) socket.send(String(n), Number(port), group);
    }, 1);
    say("ready");
  });
  lines().on("line", (group) => groups.add(group));
}

/** Packets that came to this machine and found its program asleep: the network has delivered them. */
const overflowed = () =>
  readFileSync("/proc/net/udp", "latin1")
    .split("\n")
    .filter((line) => line.includes(`:${Number(port).toString(16).toUpperCase().padStart(4, "0")} `))
    .reduce((sum, line) => sum + Number(line.trim().split(/\s+/).at(-1)), 0);

/** Lines: "join GROUP", "leave", "count": JSON of what came since the last "count", and when the last packet did (Unix time, ms). */
function viewer() {
  /** @type {dgram.Socket | undefined} */
  let socket;
  let [received, missing, last] = [0, 0, -1];
  /** Lost on the way since the join, as far as that was told. */
  let told = 0;
  let lastAt = 0;
  const join = (/** @type {string} */ group) => {
    const own = dgram.createSocket({ type: "udp4", reuseAddr: true });
    socket = own;
    [missing, told, last] = [0, 0, -1];
    own.on("message", (text) => {
      const n = Number(text);
      if (last >= 0) missing += n - last - 1;
      last = n;
      received++;
      lastAt = Date.now();
    });
    own.bind(Number(port), group, () => {
      own.setRecvBufferSize(1 << 20);
      own.addMembership(group, address);
      say(`joined ${group}`);
    });
  };
  const count = () => {
    // What has just overflowed is missed once the packets before it have been read.
    const lost = Math.max(told, missing - overflowed());
    say(JSON.stringify({ received, lost: lost - told, lastAt }));
    [received, told] = [0, lost];
  };
  lines().on("line", (line) => {
    const [command, group = ""] = line.split(" ");
    if (command === "join") join(group);
    else if (command === "leave") socket?.close(() => say("left"));
    else count();
  });
}

if (role === "stream") stream();
else viewer();
