// Test support, run by `node` inside a namespace: puts IPv4 packets on the link of an interface, five a millisecond in turn.
// Usage: node hal/igmp/lab-flood.testkit.cjs INTERFACE PACKET-IN-HEX... ; says "flooding"; ends when its standard input does.
const { onLink } = require("./lab-link.testkit.cjs");

const [, , device = "", ...hexes] = process.argv;
const packets = hexes.map((hex) => Buffer.from(hex, "hex"));
const put = onLink(device);

let next = 0;
setInterval(() => {
  for (let times = 0; times < 5; times++) {
    const packet = packets[next++ % packets.length];
    if (packet !== undefined) put(packet, () => {});
  }
}, 1);
process.stdout.write("flooding\n");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
