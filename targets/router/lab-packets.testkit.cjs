// Test support, run by `node` inside a namespace: puts each line of standard input, an IPv4 packet in hex, on the link of an interface.
// Usage: node targets/router/lab-packets.testkit.cjs INTERFACE ; says "ready", and "sent" for each; ends when its standard input does.
const readline = require("node:readline");
const { onLink } = require("../../hal/igmp/lab-link.testkit.cjs");

const [, , device = ""] = process.argv;
const put = onLink(device);

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  put(Buffer.from(line, "hex"), (error) => {
    process.stdout.write(error instanceof Error ? `${error.message}\n` : "sent\n");
  });
});
process.stdin.on("end", () => process.exit(0));
process.stdout.write("ready\n");
