import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { type Instant, instant, seconds } from "../../core/base/time.ts";
import type { DatagramListener, Datagrams } from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { StreamSign } from "../../core/settop/events.ts";
import { Playout } from "../../core/settop/playout.ts";
import { RTP_HEADER, writeRtpHeader } from "../../core/stream/rtp.ts";
import { StreamSender } from "../../core/stream/sender.ts";
import { nodeCiphers } from "../../hal/cipher/node.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { Recorder } from "./scripted.testkit.ts";
import { Tuner } from "./tuner.ts";

const SSRC = 7;
const STREAM = { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: SSRC, payloadType: 33 } as const;
const key = (epoch: number) => ({
  epoch,
  masterKey: new Uint8Array(16).fill(epoch),
  masterSalt: new Uint8Array(12).fill(epoch),
});
const at = (ms: number): Instant => instant(ms);

function bench() {
  const output = new Recorder();
  const signs: StreamSign[] = [];
  const playout = new Playout({ ciphers: nodeCiphers, output, sign: (sign) => signs.push(sign) }, at(100));
  const sender = new StreamSender({
    ciphers: nodeCiphers,
    suite: STREAM.suite,
    mkiLength: 4,
    ssrc: SSRC,
    firstIndex: 5,
  });
  const use = (epoch: number): void => {
    sender.install(epoch, key(epoch).masterKey, key(epoch).masterSalt);
    sender.switchTo(epoch);
  };
  const packet = (shape: (rtp: Uint8Array) => void = () => {}): Uint8Array => {
    const bytes = new Uint8Array(RTP_HEADER + 188 + sender.trailerLength);
    writeRtpHeader(bytes, 33, 0);
    bytes.fill(0x47, RTP_HEADER, RTP_HEADER + 188);
    shape(bytes);
    return bytes.subarray(0, sender.protect(bytes, RTP_HEADER + 188));
  };
  const granted = (): void => {
    playout.receive(STREAM);
    playout.position({ roc: 0, seq: 5, age: 0 });
    playout.install(key(1));
  };
  return { output, signs, playout, use, packet, granted };
}

test("before a grant and after silence nothing comes out: settop.no-key", () => {
  const { playout, output, use, packet, granted } = bench();
  use(1);
  playout.datagram(at(110), packet());
  granted();
  playout.datagram(at(120), packet());
  playout.silence();
  playout.datagram(at(130), packet());
  assert.equal(output.packets.length, 1);
  const { drops, received, datagrams } = playout.status(at(130));
  assert.equal(drops["settop.no-key"], 2);
  assert.deepEqual([received, datagrams], [1, 3]);
});

test("a headend that starts anew, far ahead, is shown from its first packet wherever the 16 bits of the sequence number fall", () => {
  for (const behind of [1, 4, 500, 1024]) {
    const { playout, output, use, packet, granted } = bench();
    use(1);
    granted();
    playout.datagram(at(110), packet());
    const again = new StreamSender({
      ciphers: nodeCiphers,
      suite: STREAM.suite,
      mkiLength: 4,
      ssrc: SSRC,
      firstIndex: 4 * 0x10000 + 6 - behind,
    });
    again.install(2, key(2).masterKey, key(2).masterSalt);
    again.switchTo(2);
    playout.position({ roc: 4, seq: 6, age: 0 });
    playout.install(key(2));
    for (let i = 0; i < 3; i++) {
      const bytes = new Uint8Array(RTP_HEADER + 188 + again.trailerLength);
      writeRtpHeader(bytes, 33, 0);
      playout.datagram(at(120 + i), bytes.subarray(0, again.protect(bytes, RTP_HEADER + 188)));
    }
    const { reorder, received } = playout.status(at(130));
    assert.deepEqual([received, output.packets.length, reorder.late], [4, 4, 0], `${behind} behind`);
  }
});

test("zapMs is from tuning in to the first clear packet", () => {
  const { playout, use, packet, granted } = bench();
  use(1);
  granted();
  assert.equal(playout.status(at(150)).zapMs, undefined);
  playout.datagram(at(160), packet());
  playout.datagram(at(170), packet());
  assert.equal(playout.status(at(180)).zapMs, 60);
});

test("each newer epoch is told once, an unknown one at most once a second", () => {
  const { playout, signs, use, packet, granted } = bench();
  use(1);
  granted();
  for (let n = 0; n < 10; n++) playout.datagram(at(n), packet());
  assert.deepEqual(signs.splice(0), [{ kind: "clear", epoch: 1 }]);
  use(2);
  for (let n = 0; n < 100; n++) playout.datagram(at(100 + n * 15), packet());
  assert.deepEqual(signs.splice(0), Array(2).fill({ kind: "unknown-epoch", epoch: 2 }));
  playout.install(key(2));
  playout.datagram(at(2000), packet());
  assert.deepEqual(signs, [{ kind: "clear", epoch: 2 }]);
});

test("a forged epoch is told once, not again with each duplicate or damaged packet that follows", () => {
  const { playout, signs, use, packet, granted } = bench();
  use(1);
  granted();
  const sound = packet();
  const forged = sound.slice();
  forged.fill(0xff, forged.length - 4);
  playout.datagram(at(0), sound.slice());
  playout.datagram(at(1), forged);
  signs.length = 0;
  for (let n = 1; n < 5; n++) playout.datagram(at(n * 2000), sound.slice());
  assert.deepEqual(signs, []);
});

test("a clear packet whose padding is not sound is settop.padding and not handed on", () => {
  const { playout, output, use, packet, granted } = bench();
  use(1);
  granted();
  const padded = (last: number) => (rtp: Uint8Array) => {
    rtp[0] = 0xa0;
    rtp[RTP_HEADER + 187] = last;
  };
  playout.datagram(at(1), packet(padded(0)));
  playout.datagram(at(2), packet(padded(255)));
  playout.datagram(at(3), packet(padded(8)));
  assert.equal(playout.status(at(4)).drops["settop.padding"], 2);
  assert.deepEqual(
    output.packets.map((payload) => payload.length),
    [180],
  );
});

test("a flipped bit anywhere in a packet keeps it from coming out", () => {
  const { playout, output, use, packet, granted } = bench();
  use(1);
  granted();
  const sound = packet();
  for (let bit = 0; bit < sound.length * 8; bit++) {
    const broken = sound.slice();
    broken[bit >>> 3] = (broken[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
    playout.datagram(at(bit), broken);
  }
  assert.equal(output.packets.length, 0);
  playout.datagram(at(1e6), sound);
  assert.equal(output.packets.length, 1);
});

test("statistics go on counting when the stream's parameters change", () => {
  const { playout, use, packet, granted } = bench();
  use(1);
  granted();
  playout.datagram(at(1), packet());
  granted();
  playout.datagram(at(2), packet());
  assert.equal(playout.status(at(3)).received, 2);
});

/** A socket that opens when told. */
class HeldDatagrams implements Datagrams {
  listener: DatagramListener | undefined;
  readonly log: string[] = [];
  #resolve: (() => void) | undefined;
  refuse = false;

  open(_options: unknown, listener: DatagramListener): Promise<never> {
    this.listener = listener;
    const socket = {
      port: 1,
      join: () => {
        if (this.refuse) throw new HalError("datagram.membership", "no such interface");
        this.log.push("join");
      },
      leave: () => this.log.push("leave"),
      send: () => {},
      close: () => this.log.push("close"),
    };
    return new Promise((resolve) => {
      this.#resolve = () => resolve(socket as never);
    });
  }

  async release(): Promise<void> {
    this.#resolve?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function tunerBench(source?: ReturnType<typeof address>) {
  const { playout, use, packet, granted, output } = bench();
  use(1);
  granted();
  const datagrams = new HeldDatagrams();
  const told: string[] = [];
  const clock = new SimulatedClock();
  const options = { datagrams, clock, interfaceAddress: address("0.0.0.0"), receiveBuffer: 4096 };
  const channel = { id: "one", group: address("232.1.1.1"), port: 5004, ...(source === undefined ? {} : { source }) };
  const listener = { joined: () => told.push("joined"), failed: (error: HalError) => told.push(error.code) };
  return { tuner: new Tuner(options, channel, playout, listener), clock, datagrams, told, packet, output };
}

test("a channel with a source takes nothing from another sender: settop.source", async () => {
  const { tuner, datagrams, packet, output } = tunerBench(address("10.0.0.1"));
  tuner.join();
  await datagrams.release();
  datagrams.listener?.datagram(packet(), address("10.0.0.9"), 5004);
  datagrams.listener?.datagram(packet(), address("10.0.0.1"), 5004);
  assert.equal(tuner.drops.of("settop.source"), 1);
  assert.equal(output.packets.length, 1);
});

test("a leave while the socket is still being opened: it is closed when it comes, and never joined", async () => {
  const { tuner, datagrams, told } = tunerBench();
  tuner.join();
  tuner.leave();
  await datagrams.release();
  assert.deepEqual(datagrams.log, ["close"]);
  assert.deepEqual(told, []);
});

test("a membership that is refused closes the socket and is told by name", async () => {
  const { tuner, datagrams, told } = tunerBench();
  datagrams.refuse = true;
  tuner.join();
  await datagrams.release();
  assert.deepEqual(datagrams.log, ["close"]);
  assert.deepEqual(told, ["datagram.membership"]);
});

test("a socket that dies is told once, and what it says afterwards is not heard", async () => {
  const { tuner, datagrams, told } = tunerBench();
  tuner.join();
  await datagrams.release();
  datagrams.listener?.failed(new HalError("datagram.failed", "gone"));
  datagrams.listener?.failed(new HalError("datagram.failed", "gone"));
  assert.deepEqual(told, ["joined", "datagram.failed"]);
  tuner.close();
  assert.deepEqual(datagrams.log, ["join", "close"]);
});

test("a group that has fallen silent is joined again after 15 s, then 30 s, and not while packets come", async () => {
  const { tuner, clock, datagrams, packet } = tunerBench();
  tuner.join();
  await datagrams.release();
  for (let n = 0; n < 6; n++) {
    clock.run(seconds(10));
    datagrams.listener?.datagram(packet(), address("10.0.0.1"), 5004);
  }
  assert.deepEqual(datagrams.log.splice(0), ["join"]);
  clock.run(seconds(31));
  await datagrams.release();
  assert.deepEqual(datagrams.log.splice(0), ["leave", "close", "join"]);
  clock.run(seconds(29));
  assert.deepEqual(datagrams.log, []);
  clock.run(seconds(1));
  await datagrams.release();
  assert.deepEqual(datagrams.log.splice(0), ["leave", "close", "join"]);
  tuner.leave();
  clock.run(seconds(600));
  assert.deepEqual(datagrams.log, ["leave", "close"]);
});
