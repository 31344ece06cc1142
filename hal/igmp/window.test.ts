// Queries flood in on one interface while the socket of another is being set up, slowly: not one is heard there.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { ANY, address, formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { sourceAddress } from "../../core/igmp/ip-header.ts";
import { checkPacket } from "../../core/igmp/packet.ts";
import { queryLength, writeQuery } from "../../core/igmp/query.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../../core/igmp/v1-v2-message.ts";
import { inNamespace } from "../in-namespace.testkit.ts";
import { RawIgmpSockets } from "./raw.ts";

/** rt0 is under test; rt2 hears queries without end. */
const CABLES = [
  "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv6.conf.all.disable_ipv6=1",
  ...["rt0 rt1 10.22.0.1/24", "rt2 rt3 10.0.0.22/24"].flatMap((cable) => {
    const [near, far, own] = cable.split(" ");
    return [
      `ip link add ${near} type veth peer name ${far}`,
      `ip addr add ${own} dev ${near}`,
      `ip link set ${near} up`,
      `ip link set ${far} up`,
    ];
  }),
];
const HANGS = { timeout: 50_000 };
/** Half a second and more from the socket's making to the end of its set-up. */
const SLOWLY = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=setsockopt", "-e"];
const DELAY = "inject=setsockopt:delay_enter=30000";

const query = {
  version: 2,
  group: ANY,
  sources: [],
  suppress: false,
  maxResponse: seconds(10),
  robustness: 0,
  queryInterval: seconds(0),
} as const;
const queryFrom = (source: string): Uint8Array =>
  writeQuery(new Uint8Array(queryLength(query)), address(source), query);
const leave = (source: Ipv4): Uint8Array =>
  writeV1V2Message(new Uint8Array(V1_V2_LENGTH), source, "leave", address("239.255.77.1"));

/** The process under strace: opens rt0, says what it hears, and when the witness has gone. */
async function listen(): Promise<void> {
  const sockets = await RawIgmpSockets.load();
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  sockets.open("rt0", {
    packet(bytes) {
      const packet = checkPacket(bytes);
      // The far end's kernel reports what its own sockets joined: v3.
      const isOurs = typeof packet === "string" || packet.kind !== "v3Report";
      if (isOurs) say(`${typeof packet === "string" ? packet : packet.kind} ${formatIpv4(sourceAddress(bytes))}`);
    },
    failed: ({ message }) => say(message),
  });
  say("open");
  const look = setInterval(() => {
    if (!("igmp.unwitnessed" in sockets.counts.snapshot())) return;
    clearInterval(look);
    say(`alone, ${sockets.counts.of("igmp.before-ready") > 0 ? "some" : "none"} came before`);
  }, 10);
  process.stdin.resume().on("end", () => process.exit(0));
}

/** The lines of a process, each given once. */
async function* linesOf({ stdout }: ChildProcess): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const text of stdout ?? []) {
    const lines = (rest + String(text)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

if (process.argv[2] === "listen") await listen();
else if (inNamespace(import.meta.url, "a socket in the making", CABLES)) {
  const file = new URL(import.meta.url).pathname;
  const [node, stdio] = [process.execPath, ["pipe", "pipe", "inherit"] as ["pipe", "pipe", "inherit"]];

  test(
    "what comes in on another interface while the socket is made is not heard; what comes in on its own is, once",
    HANGS,
    async (t) => {
      const strangers = ["10.0.0.42", "10.22.0.2"].map((source) => toHex(queryFrom(source)));
      const flood = spawn(node, ["hal/igmp/lab-flood.testkit.cjs", "rt3", ...strangers], { stdio });
      t.after(() => flood.stdin.end());
      assert.equal((await linesOf(flood).next()).value, "flooding");
      const peer = (await RawIgmpSockets.load()).open("rt1", { packet() {}, failed() {} });
      t.after(() => peer.close());
      const [command = "", ...slowly] = SLOWLY;
      const listener = spawn(command, [...slowly, DELAY, node, file, "listen"], { stdio });
      t.after(() => listener.stdin.end());
      const lines = linesOf(listener);
      assert.equal((await lines.next()).value, "open");
      peer.send(leave(address("10.22.0.11")));
      assert.equal((await lines.next()).value, "leave 10.22.0.11");
      assert.equal((await lines.next()).value, "alone, some came before");
      peer.send(leave(address("10.22.0.12")));
      assert.equal((await lines.next()).value, "leave 10.22.0.12");
    },
  );
}
