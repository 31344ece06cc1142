import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../base/ipv4.ts";
import { instant } from "../base/time.ts";
import { tsStream } from "../mpegts/packet.testkit.ts";
import { TS_PAYLOAD } from "../mpegts/packet.ts";
import type { Ciphers } from "../ports/cipher.ts";
import type { DatagramSocket } from "../ports/datagrams.ts";
import { HalError } from "../ports/errors.ts";
import { markerOf, sequenceOf, timestampOf } from "../stream/rtp.ts";
import { StreamSender } from "../stream/sender.ts";
import { payloadTypeOf } from "../stream/stream.testkit.ts";
import { type PathOptions, StreamPath } from "./stream-path.ts";

/** Leaves the text as it is, so that the tests can read it. */
const clearCiphers: Ciphers = {
  gcm: () => ({ seal: () => {}, open: () => true, erase: () => {} }),
  ctr: () => ({ apply: () => {}, erase: () => {} }),
  hmacSha1: () => ({ sign: () => {}, erase: () => {} }),
};

class Wire implements DatagramSocket {
  readonly port = 1;
  readonly packets: Uint8Array[] = [];
  readonly waiting: ((error?: Error) => void)[] = [];
  join(): void {}
  leave(): void {}
  close(): void {}
  overflows(): undefined {}
  send(payload: Uint8Array, _to: unknown, _port: unknown, sent?: (error?: never) => void): void {
    this.packets.push(payload.slice());
    if (sent !== undefined) this.waiting.push(sent as (error?: Error) => void);
  }
}

function pathWith(more: Partial<PathOptions> = {}, epoch = true): { path: StreamPath; wire: Wire } {
  const wire = new Wire();
  const sender = new StreamSender({
    ciphers: clearCiphers,
    suite: "AEAD_AES_128_GCM",
    mkiLength: 4,
    ssrc: 7,
    firstIndex: 0xffff,
  });
  if (epoch) {
    sender.install(1, new Uint8Array(16), new Uint8Array(12));
    sender.switchTo(1);
  }
  const path = new StreamPath({
    sender,
    socket: wire,
    group: address("239.1.1.1"),
    port: 5004,
    payloadType: 33,
    content: "ts",
    rtpInput: false,
    slots: 4,
    ...more,
  });
  return { path, wire };
}

const NOW = instant(1000);

test("seven TS packets become one RTP packet of type 33 with the time at 90 kHz; the sequence number wraps", () => {
  const { path, wire } = pathWith();
  const stream = tsStream(14, 100, 0);
  path.payload(NOW, stream, 0, TS_PAYLOAD);
  path.payload(NOW, stream, TS_PAYLOAD, 2 * TS_PAYLOAD);
  const [first, second] = wire.packets;
  assert.ok(first && second);
  assert.deepEqual(first.subarray(12, 12 + TS_PAYLOAD), stream.subarray(0, TS_PAYLOAD));
  assert.equal(first.length, 12 + TS_PAYLOAD + 20);
  assert.deepEqual([payloadTypeOf(first), timestampOf(first), sequenceOf(first)], [33, 90_000, 0xffff]);
  assert.equal(sequenceOf(second), 0);
});

test("a datagram with more TS packets than fit is divided, none is lost", () => {
  const { path, wire } = pathWith();
  const stream = tsStream(10, 100, 0);
  path.datagram(NOW, stream);
  assert.deepEqual(
    wire.packets.map((packet) => packet.length - 32),
    [TS_PAYLOAD, 3 * 188],
  );
});

test("RTP input: the header with CSRCs and extension is taken off, padding too, and the payload boundary stays", () => {
  const { path, wire } = pathWith({ rtpInput: true, content: "datagram", payloadType: 96 });
  const header = [0xb1, 33, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0xbe, 0xde, 0, 0];
  path.datagram(NOW, Uint8Array.from([...header, 10, 20, 30, 0, 2]));
  assert.deepEqual([...(wire.packets[0]?.subarray(12, 15) ?? [])], [10, 20, 30]);
  assert.equal(wire.packets[0]?.length, 12 + 3 + 20);
});

test("RTP input keeps its time stamp and marker (RFC 3550 7.1): what the path adds in delay is no jitter of the stream", () => {
  const { path, wire } = pathWith({ rtpInput: true });
  const header = [0x80, 0x80 | 33, 0, 1, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 3];
  path.datagram(NOW, Uint8Array.from([...header, ...tsStream(10, 100, 0)]));
  assert.deepEqual(
    wire.packets.map((packet) => [timestampOf(packet), markerOf(packet), payloadTypeOf(packet)]),
    [
      [0x12345678, true, 33],
      [0x12345678, false, 33],
    ],
  );
});

test("any datagram goes one to one with its own type", () => {
  const { path, wire } = pathWith({ content: "datagram", payloadType: 96 });
  path.datagram(NOW, Uint8Array.of(1, 2, 3));
  assert.deepEqual([...(wire.packets[0]?.subarray(12, 15) ?? [])], [1, 2, 3]);
  assert.equal(payloadTypeOf(wire.packets[0] ?? new Uint8Array(12)), 96);
});

test("headend.no-epoch: nothing leaves before an epoch is acknowledged, and a source that can wait is told to", () => {
  const { path, wire } = pathWith({}, false);
  assert.equal(path.hasRoom, false);
  path.datagram(NOW, tsStream(7, 100, 0));
  assert.deepEqual(path.snapshot().drops, { "headend.no-epoch": 1 });
  assert.equal(wire.packets.length, 0);
});

test("headend.ring-full: a kernel that takes nothing costs packets, not memory; what it takes makes room again", () => {
  const { path, wire } = pathWith();
  for (let i = 0; i < 6; i++) path.datagram(NOW, tsStream(7, 100, 0));
  assert.deepEqual(path.snapshot().drops, { "headend.ring-full": 2 });
  assert.equal(path.hasRoom, false);
  wire.waiting.shift()?.();
  assert.equal(path.hasRoom, true);
  path.datagram(NOW, tsStream(7, 100, 0));
  assert.equal(path.snapshot().packets, 1, "four wait");
  assert.equal(sequenceOf(wire.packets[4] ?? new Uint8Array(12)), 3, "a dropped packet takes no sequence number");
});

test("headend.oversized, headend.empty, headend.not-ts, headend.send-failed and the RTP reasons are told apart", () => {
  const any = pathWith({ content: "datagram", largest: 100 });
  any.path.datagram(NOW, new Uint8Array(101));
  any.path.datagram(NOW, new Uint8Array(0));
  any.path.datagram(NOW, new Uint8Array(100));
  any.wire.waiting[0]?.(new Error("ENETUNREACH"));
  assert.deepEqual(any.path.snapshot().drops, {
    "headend.empty": 1,
    "headend.oversized": 1,
    "headend.send-failed": 1,
  });
  const ts = pathWith();
  ts.path.datagram(NOW, new Uint8Array(188));
  ts.path.datagram(NOW, tsStream(2, 2, 0).subarray(0, 300));
  assert.deepEqual(ts.path.snapshot().drops, { "headend.not-ts": 2 });
  const rtp = pathWith({ rtpInput: true });
  rtp.path.datagram(NOW, tsStream(1, 2, 0));
  assert.deepEqual(rtp.path.snapshot().drops, { "rtp.version": 1 });
});

test("what came in, got out and failed is counted, with why; another socket takes over between two packets", () => {
  const { path, wire } = pathWith();
  const stream = tsStream(7, 100, 0);
  const send = (): void => path.payload(NOW, stream, 0, TS_PAYLOAD);
  for (let i = 0; i < 3; i++) send();
  assert.deepEqual(path.traffic, { taken: 3, sent: 0, failed: 0 });
  wire.waiting.shift()?.();
  const failure = new HalError("datagram.send", "cannot send (ENODEV)");
  wire.waiting.shift()?.(failure);
  assert.deepEqual(path.traffic, { taken: 3, sent: 1, failed: 1 });
  assert.equal(path.failure, failure);
  assert.deepEqual(path.snapshot(), { packets: 1, octets: TS_PAYLOAD, drops: { "headend.send-failed": 1 } });
  const other = new Wire();
  path.useSocket(other);
  send();
  assert.deepEqual([wire.packets.length, other.packets.length], [3, 1]);
  wire.waiting.shift()?.();
  assert.equal(path.traffic.sent, 2, "the old one's buffers come back");
});
