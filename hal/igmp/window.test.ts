// Queries flood in on one interface while the socket of another is being set up, slowly: not one is heard there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address, formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { sourceAddress } from "../../core/igmp/messages/ip-header.ts";
import { checkPacket } from "../../core/igmp/messages/packet.ts";
import { queryLength, writeQuery } from "../../core/igmp/messages/query.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../../core/igmp/messages/v1-v2-message.ts";
import type { IgmpSocket, IgmpSockets } from "../../core/ports/igmp-socket.ts";
import { inNamespace } from "../in-namespace.testkit.ts";
import { flood, linesOf, PROGRAMS, slowly, start, TWO_CABLES } from "../stretched-window.testkit.ts";
import { PacketIgmpSockets } from "./packet.ts";
import { RawIgmpSockets } from "./raw.ts";

const HANGS = { timeout: 50_000 };

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

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Opens rt0 and says what it hears. */
function sayWhatIsHeard(sockets: IgmpSockets): IgmpSocket {
  const socket = sockets.open("rt0", {
    packet(bytes) {
      const packet = checkPacket(bytes);
      // The far end's kernel reports what its own sockets joined: v3.
      const isOurs = typeof packet === "string" || packet.kind !== "v3Report";
      if (isOurs) say(`${typeof packet === "string" ? packet : packet.kind} ${formatIpv4(sourceAddress(bytes))}`);
    },
    failed: ({ message }) => say(message),
  });
  say("open");
  return socket;
}

/** The process under strace: opens rt0, says what it hears, until its standard input ends. */
async function listenAtTheLink(): Promise<void> {
  sayWhatIsHeard(await PacketIgmpSockets.load());
  process.stdin.resume().on("end", () => process.exit(0));
}

/** The same, and says when the witness has gone. */
async function listen(): Promise<void> {
  const sockets = await RawIgmpSockets.load();
  const socket = sayWhatIsHeard(sockets);
  const look = setInterval(() => {
    if (!("igmp.unwitnessed" in sockets.counts.snapshot())) return;
    clearInterval(look);
    say(`alone, ${sockets.counts.of("igmp.before-ready") > 0 ? "some" : "none"} came before`);
  }, 10);
  // Held until then: raw-socket closes what nobody refers to.
  process.stdin.resume().on("end", () => {
    socket.close();
    process.exit(0);
  });
}

if (process.argv[2] === "listen") await listen();
else if (process.argv[2] === "listen-at-the-link") await listenAtTheLink();
else if (inNamespace(import.meta.url, "a socket in the making", TWO_CABLES, PROGRAMS)) {
  const file = new URL(import.meta.url).pathname;

  test(
    "what comes in on another interface while the socket is made is not heard; what comes in on its own is, once",
    HANGS,
    async (t) => {
      await flood(t, "rt3", ["10.0.0.42", "10.22.0.2"].map(queryFrom));
      const peer = (await RawIgmpSockets.load()).open("rt1", { packet() {}, failed() {} });
      t.after(() => peer.close());
      // Half a second and more from the socket's making to the end of its set-up.
      const lines = linesOf(start(t, [...slowly("setsockopt"), process.execPath, file, "listen"]));
      assert.equal((await lines.next()).value, "open");
      peer.send(leave(address("10.22.0.11")));
      assert.equal((await lines.next()).value, "leave 10.22.0.11");
      assert.equal((await lines.next()).value, "alone, some came before");
      peer.send(leave(address("10.22.0.12")));
      assert.equal((await lines.next()).value, "leave 10.22.0.12");
    },
  );

  test(
    "at the link layer what comes in on its own interface is heard while the socket is made, and nothing else ever",
    HANGS,
    async (t) => {
      await flood(t, "rt3", ["10.0.0.42", "10.22.0.2"].map(queryFrom));
      const peer = (await RawIgmpSockets.load()).open("rt1", { packet() {}, failed() {} });
      t.after(() => peer.close());
      const slow = slowly("socket,setsockopt,bind");
      const lines = linesOf(start(t, [...slow, process.execPath, file, "listen-at-the-link"]));
      assert.equal((await lines.next()).value, "open");
      for (const last of [11, 12, 13]) {
        peer.send(leave(address(`10.22.0.${last}`)));
        assert.equal((await lines.next()).value, `leave 10.22.0.${last}`);
      }
    },
  );
}
