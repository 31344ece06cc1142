// The kernel's own word that it takes no more: a socket's send buffer is full while a slow link is behind.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address } from "../../core/base/ipv4.ts";
import { CABLE, inNamespace } from "../in-namespace.testkit.ts";
import { loadSockets } from "../native.ts";
import { NativeDatagrams } from "./native.ts";

const PEER = address("10.9.1.2");
/** Their memory is more than twice what a socket may have under way (net.core.wmem_default, 208 KiB). */
const DATAGRAMS = 250;

const SETUP = [
  ...CABLE,
  "ip neighbour add 10.9.1.2 lladdr 02:00:00:00:00:02 dev rt0",
  "tc qdisc add dev rt0 root tbf rate 20mbit burst 20kb limit 4mb",
];

if (inNamespace(import.meta.url, "native datagrams to a slow link", SETUP, ["tc"])) {
  test("what the kernel does not take at once leaves when it does, and none is lost", async () => {
    const native = await loadSockets("datagram");
    let waits = 0;
    const { awaitRoom } = native;
    native.awaitRoom = (fd) => {
      waits++;
      return awaitRoom(fd);
    };
    const datagrams = await NativeDatagrams.load();
    const socket = await datagrams.open({ address: ANY, port: 0 }, { datagram() {}, failed: assert.fail });
    let left = 0;
    await new Promise<void>((resolve, reject) => {
      for (let n = 0; n < DATAGRAMS; n++)
        socket.send(new Uint8Array(1316), PEER, 9, (error) => {
          if (error !== undefined) reject(error);
          else if (++left === DATAGRAMS) resolve();
        });
    });
    assert.ok(waits > 0, "the kernel took everything at once");
    assert.deepEqual(datagrams.counts.snapshot(), {});
    socket.close();
  });
}
