// IGMP for a group that is joined on one interface floods in there while the routing socket is being made, slowly: none is told.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { address, formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { query } from "../../core/igmp/igmp.testkit.ts";
import { sourceAddress } from "../../core/igmp/messages/ip-header.ts";
import { checkPacket } from "../../core/igmp/messages/packet.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../../core/igmp/messages/v1-v2-message.ts";
import { RawIgmpSockets } from "../igmp/raw.ts";
import { inNamespace } from "../in-namespace.testkit.ts";
import { flood, linesOf, PROGRAMS, slowly, start, TWO_CABLES } from "../stretched-window.testkit.ts";
import { datagram } from "./linux.testkit.ts";
import { LinuxForwarding } from "./linux.ts";
import { withoutAlert } from "./without-alert.testkit.ts";

const HANGS = { timeout: 20_000 };
/** Joined on rt2, so that any raw socket hears what is sent to it there; and joined by nobody. */
const [JOINED, FREE] = [address("239.255.77.1"), address("239.255.77.2")];
/** On rt2's link; the latter claims rt0's subnet. */
const STRANGERS = ["10.0.0.42", "10.22.0.42"].map((text) => address(text));
const HOST = address("10.22.0.2");

const report = (source: Ipv4, group: Ipv4): Uint8Array =>
  withoutAlert(writeV1V2Message(new Uint8Array(V1_V2_LENGTH), source, "v2Report", group));

const groupQuery = (source: Ipv4): Uint8Array =>
  withoutAlert(query(formatIpv4(source), { version: 2, group: JOINED, maxResponse: seconds(1) }));

/** The process under strace: opens the table, routes on rt0, and says what it is told. */
async function route(): Promise<void> {
  const forwarding = await LinuxForwarding.load();
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const table = forwarding.open({
    igmp(bytes) {
      const packet = checkPacket(bytes);
      say(`${typeof packet === "string" ? packet : packet.kind} ${formatIpv4(sourceAddress(bytes))}`);
    },
    noRoute: (source, _group, inbound) => say(`no route ${formatIpv4(source)} ${inbound}`),
    wrongInterface: (source, _group, inbound) => say(`wrong ${formatIpv4(source)} ${inbound}`),
    failed: ({ message }) => say(message),
  });
  table.addInterface("rt0");
  say(forwarding.counts.of("mroute.before-ready") > 0 ? "open, some came before" : "open");
  // Held until then: raw-socket closes what nobody refers to.
  process.stdin.resume().on("end", () => {
    table.close();
    process.exit(0);
  });
}

if (process.argv[2] === "route") await route();
else if (inNamespace(import.meta.url, "a routing socket in the making", TWO_CABLES, PROGRAMS)) {
  const file = new URL(import.meta.url).pathname;

  test(
    "what comes in anywhere while the routing socket is made is not told; what comes in later is, of its interface",
    HANGS,
    async (t) => {
      const member = createSocket("udp4").bind(0);
      t.after(() => member.close());
      await once(member, "listening");
      member.addMembership(formatIpv4(JOINED), "10.0.0.22");
      await flood(
        t,
        "rt3",
        STRANGERS.flatMap((source) => [report(source, JOINED), groupQuery(source)]),
      );
      const lines = linesOf(start(t, [...slowly("setsockopt"), process.execPath, file, "route"]));
      assert.equal((await lines.next()).value, "open, some came before");
      const peer = (await RawIgmpSockets.load()).open("rt1", { packet() {}, failed() {} });
      t.after(() => peer.close());
      peer.send(report(HOST, FREE));
      assert.equal((await lines.next()).value, "v2Report 10.22.0.2");
      peer.send(datagram(HOST, FREE, "asks for a route"));
      assert.equal((await lines.next()).value, "no route 10.22.0.2 rt0");
    },
  );
}
