// Sockets at the link layer: what a raw socket of IP would not hear, or would take for another interface's, and what is known of the sender.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { test } from "node:test";
import { address, formatIpv4 } from "../../core/base/ipv4.ts";
import { ethernet, report, v1v2Message } from "../../core/igmp/igmp.testkit.ts";
import { sourceAddress } from "../../core/igmp/messages/ip-header.ts";
import { checkPacket, groupOf } from "../../core/igmp/messages/packet.ts";
import type { HalError } from "../../core/ports/errors.ts";
import type { Arrival, IgmpListener } from "../../core/ports/igmp-socket.ts";
import { withoutAlert } from "../forwarding/without-alert.testkit.ts";
import { CABLE, eventually, inNamespace } from "../in-namespace.testkit.ts";
import { frameSender } from "../native/frame-sender.testkit.ts";
import { loadSockets } from "../native.ts";
import { igmpContract } from "./contract.testkit.ts";
import { PacketIgmpSockets } from "./packet.ts";

const HOST = "02:00:00:00:00:11";
const HANGS = { timeout: 50_000 };

/** "v2Report 10.9.1.2 239.1.1.1 02:00:00:00:00:11" of each message that is not the far kernel's own (v3). */
class HeardFrom implements IgmpListener {
  readonly log: string[] = [];
  readonly arrivals: Arrival[] = [];

  packet(bytes: Uint8Array, from: Arrival): void {
    const packet = checkPacket(bytes);
    if (typeof packet !== "string" && packet.kind === "v3Report") return;
    this.arrivals.push(from);
    const [kind, group] = typeof packet === "string" ? [packet, "?"] : [packet.kind, formatIpv4(groupOf(packet))];
    this.log.push(`${kind} ${formatIpv4(sourceAddress(bytes))} ${group} ${from.mac ?? "-"}`);
  }

  failed(error: HalError): void {
    this.log.push(error.code);
  }
}

/** "" when it is closed by the time. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

const reportOf = (from: string, group: string): Uint8Array => withoutAlert(v1v2Message("v2Report", from, group));

const OTHERS = [
  "ip link add rt2 type veth peer name rt3",
  "ip addr add 10.9.2.1/24 dev rt2",
  "ip link set rt2 up",
  "ip link set rt3 up",
  "ip link add br0 type bridge",
  "ip addr add 10.9.3.1/24 dev br0",
  "ip link add rt4 type veth peer name rt5",
  "ip link set rt4 master br0",
  "ip link set br0 up",
  "ip link set rt4 up",
  "ip link set rt5 up",
  "ip link add mv0 link rt0 type macvlan mode private",
  "ip link set mv0 address 02:00:00:00:00:aa",
  "ip link set mv0 up",
];

if (inNamespace(import.meta.url, "packet igmp", [...CABLE, ...OTHERS])) {
  const sockets = await PacketIgmpSockets.load();

  const open = (t: { after(end: () => void): void }, name: string) => {
    const heard = new HeardFrom();
    const socket = sockets.open(name, heard);
    t.after(() => socket.close());
    return { heard, socket };
  };
  const sender = async (t: { after(end: () => void): void }, name: string) => {
    const { send, close } = await frameSender(name);
    t.after(close);
    return send;
  };

  test(
    "a report without Router Alert, of any source, is heard on its own interface alone, with the sender's MAC",
    HANGS,
    async (t) => {
      const [here, there] = [open(t, "rt0"), open(t, "rt2")];
      const [say, sayThere] = [await sender(t, "rt1"), await sender(t, "rt3")];
      // A host of the other interface's subnet, one without address, one of nobody's subnet.
      const sources = ["10.9.2.7", "0.0.0.0", "192.168.77.3"];
      for (const source of sources) say(ethernet(HOST, reportOf(source, "239.255.77.1")));
      sayThere(ethernet("02:00:00:00:00:12", reportOf("10.9.1.7", "239.255.77.2")));
      await eventually(() => here.heard.log.length === 3 && there.heard.log.length === 1);
      assert.deepEqual(
        here.heard.log,
        sources.map((source) => `v2Report ${source} 239.255.77.1 ${HOST}`),
      );
      assert.deepEqual(there.heard.log, ["v2Report 10.9.1.7 239.255.77.2 02:00:00:00:00:12"]);
      assert.ok(here.heard.arrivals.every(({ unicast }) => unicast === false));
    },
  );

  test("a bridge's socket hears the hosts behind its ports", HANGS, async (t) => {
    const { heard, socket } = open(t, "br0");
    const say = await sender(t, "rt5");
    // Asked through it, a bridge that snoops knows that a router is above it.
    socket.send(v1v2Message("leave", "10.9.3.1", "239.255.77.3"));
    say(ethernet(HOST, reportOf("10.9.3.2", "239.255.77.3")));
    await eventually(() => heard.log.length > 0);
    assert.deepEqual(heard.log, [`v2Report 10.9.3.2 239.255.77.3 ${HOST}`]);
  });

  test("what is for a device above the interface is not heard on the interface", HANGS, async (t) => {
    const { heard } = open(t, "rt0");
    const above = open(t, "mv0");
    const say = await sender(t, "rt1");
    const frame = ethernet(HOST, reportOf("10.9.1.2", "239.255.77.4"));
    frame.set([2, 0, 0, 0, 0, 0xaa], 0);
    say(frame);
    say(ethernet(HOST, reportOf("10.9.1.2", "239.255.77.5")));
    await eventually(() => heard.log.length > 0 && above.heard.log.length > 0);
    assert.deepEqual(heard.log, [`v2Report 10.9.1.2 239.255.77.5 ${HOST}`]);
    assert.ok(above.heard.log.includes(`v2Report 10.9.1.2 239.255.77.4 ${HOST}`));
  });

  test(
    "what is routed through here is not for us; what is for the interface's address is, also for a new one",
    HANGS,
    async (t) => {
      const { heard } = open(t, "rt0");
      const say = await sender(t, "rt1");
      const mac = readFileSync("/sys/class/net/rt0/address", "latin1").trim().split(":");
      const sayTo = (text: string): void => {
        const frame = ethernet(HOST, v1v2Message("leave", "10.9.1.2", "239.255.77.6"));
        frame.set(
          mac.map((octet) => Number.parseInt(octet, 16)),
          0,
        );
        frame.set(text.split(".").map(Number), 14 + 16);
        say(frame);
      };
      const before = sockets.counts.of("igmp.not-for-us");
      sayTo("10.9.2.99");
      sayTo("10.9.1.1");
      await eventually(() => heard.log.length > 0);
      assert.equal(heard.log.length, 1, heard.log.join());
      assert.equal(heard.arrivals[0]?.unicast, true, "nobody else on the link has heard it");
      assert.equal(sockets.counts.of("igmp.not-for-us"), before + 1);
      execFileSync("ip", ["addr", "add", "10.9.1.99/24", "dev", "rt0"]);
      const again = setInterval(() => sayTo("10.9.1.99"), 50);
      t.after(() => clearInterval(again));
      assert.ok(await eventually(() => heard.log.length > 1));
    },
  );

  test("a link without Ethernet header, as PPP and tun have none, is heard and has no MACs", HANGS, async (t) => {
    const script = `import fcntl, struct, sys
tun = open("/dev/net/tun", "r+b", buffering=0)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH", b"tn0", 0x1001))
print("made", flush=True)
for line in sys.stdin: tun.write(bytes.fromhex(line))`;
    const tunnel = spawn("python3", ["-c", script], { stdio: ["pipe", "pipe", "inherit"] });
    t.after(() => tunnel.kill());
    await once(tunnel.stdout, "data");
    execFileSync("ip", ["addr", "add", "10.9.4.1", "peer", "10.9.4.2", "dev", "tn0"]);
    execFileSync("ip", ["link", "set", "tn0", "up"]);
    const { heard } = open(t, "tn0");
    const spoken = reportOf("10.9.4.2", "239.255.77.7");
    tunnel.stdin.write(`${Buffer.from(spoken).toString("hex")}\n`);
    await eventually(() => heard.log.length > 0);
    assert.deepEqual(heard.log, ["v2Report 10.9.4.2 239.255.77.7 -"]);
  });

  test("an interface that goes down and up again is heard again by the same socket", HANGS, async (t) => {
    const { heard } = open(t, "rt2");
    const say = await sender(t, "rt3");
    execFileSync("ip", ["link", "set", "rt2", "down"]);
    execFileSync("ip", ["link", "set", "rt2", "up"]);
    const again = setInterval(() => say(ethernet(HOST, reportOf("10.9.2.2", "239.255.77.8"))), 20);
    t.after(() => clearInterval(again));
    await eventually(() => heard.log.length > 0);
    assert.deepEqual([...new Set(heard.log)], [`v2Report 10.9.2.2 239.255.77.8 ${HOST}`]);
  });

  test("what is not heard because nobody reads in time is counted, and nothing else is lost", HANGS, async (t) => {
    const { heard, socket } = open(t, "rt0");
    const say = await sender(t, "rt1");
    const frame = ethernet(HOST, reportOf("10.9.1.2", "239.255.77.9"));
    const said = 30_000;
    // No turn of the event loop: nobody reads.
    for (let n = 0; n < said; n++) say(frame);
    assert.ok((socket.dropped() ?? 0) > 0);
    await eventually(() => heard.log.length + (socket.dropped() ?? 0) === said, 20_000);
    assert.equal(heard.log.length + (socket.dropped() ?? 0), said);
    assert.ok(heard.log.length > 5000, `room for ${heard.log.length} reports`);
  });

  test("a v3 report longer than an Ethernet frame is whole", HANGS, async (t) => {
    for (const end of ["rt0", "rt1"]) execFileSync("ip", ["link", "set", end, "mtu", "9000"]);
    const lengths: number[] = [];
    const socket = sockets.open("rt0", { packet: (bytes) => lengths.push(bytes.length), failed: () => {} });
    t.after(() => socket.close());
    const say = await sender(t, "rt1");
    const sources = Array.from({ length: 2000 }, (_, n) => address(`10.0.${n >> 8}.${n & 255}`));
    const long = report("10.9.1.2", ["is-in", "239.255.77.10", ...sources]);
    say(ethernet(HOST, long));
    await eventually(() => lengths.includes(long.length));
    assert.ok(lengths.includes(long.length), lengths.join());
  });

  test("closing leaves no descriptor, and a child has none of them", HANGS, async (t) => {
    const socketsOf = (pid: number | "self"): readonly string[] =>
      readdirSync(`/proc/${pid}/fd`)
        .map((fd) => linkOf(`/proc/${pid}/fd/${fd}`))
        .filter((what) => what.startsWith("socket:"));
    const before = socketsOf("self");
    const { socket } = open(t, "rt0");
    const held = socketsOf("self").filter((one) => !before.includes(one));
    assert.equal(held.length, 2);
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    t.after(() => child.kill());
    await once(child, "spawn");
    assert.deepEqual(socketsOf(child.pid ?? 0), []);
    socket.close();
    assert.deepEqual(
      socketsOf("self").filter((one) => held.includes(one)),
      [],
    );
  });

  test("an open that is not permitted says so, and leaves nothing open", async () => {
    const native = await loadSockets("test");
    const closed: number[] = [];
    const EPERM = 1;
    const refusing = new PacketIgmpSockets({
      ...native,
      setOption: () => -EPERM,
      close: (fd) => {
        closed.push(fd);
        return native.close(fd);
      },
    });
    assert.throws(() => refusing.open("rt0", new HeardFrom()), { code: "igmp.permission" });
    assert.equal(closed.length, 1);
  });

  const removeHere = () => execFileSync("ip", ["link", "del", "rt0"]);
  igmpContract("packet igmp", () => ({
    sockets,
    peerSockets: sockets,
    here: "rt0",
    peer: "rt1",
    until: eventually,
    removeHere,
  }));
}
