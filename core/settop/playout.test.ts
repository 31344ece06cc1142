// The data plane of one channel, against a real sender.
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeCiphers } from "../../hal/cipher/node.ts";
import { RTP_HEADER, writeRtpHeader } from "../stream/rtp.ts";
import { StreamSender } from "../stream/sender.ts";
import { at, bench, key, SSRC, STREAM } from "./playout.testkit.ts";

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
  for (let n = 0; n < 100; n++) playout.datagram(at(259 + n * 15), packet());
  assert.deepEqual(signs.splice(0), Array(2).fill({ kind: "unknown-epoch", epoch: 2 }));
  playout.install(key(2));
  for (let n = 0; n < 10; n++) playout.datagram(at(2000 + n * 100), packet());
  assert.deepEqual(signs, [{ kind: "clear", epoch: 2 }]);
});

/** Epochs 1 and 2 are granted; the stream is under 1, and `rogue` makes its next packet, but under 2. */
function underNextKey() {
  const box = bench();
  const { playout, signs, use, packet, granted } = box;
  const forger = bench();
  use(1);
  forger.use(2);
  granted();
  playout.install(key(2));
  const genuine = (from: number, until: number): void => {
    for (let ms = from; ms < until; ms += 5) {
      playout.datagram(at(ms), packet());
      forger.packet();
    }
  };
  const rogue = (ms: number): void => {
    packet();
    playout.datagram(at(ms), forger.packet());
  };
  genuine(0, 1000);
  assert.deepEqual(signs.splice(0), [{ kind: "clear", epoch: 1 }]);
  return { ...box, genuine, rogue, received: () => playout.status(at(0)).received };
}

test("a packet under the next key now and then, as any member can make, is no change of keys", () => {
  const { signs, genuine, rogue, received } = underNextKey();
  for (let ms = 1000; ms < 5000; ms += 250) {
    genuine(ms, ms + 250);
    rogue(ms + 250);
  }
  assert.equal(received(), 1000 + 16, "they do open");
  assert.deepEqual(signs, []);
});

test("a flood under the next key is taken for a change, and taken back when it ends", () => {
  const { playout, signs, genuine, rogue } = underNextKey();
  for (let ms = 1000; ms < 1300; ms += 5) {
    for (let n = 0; n < 3; n++) rogue(ms);
    genuine(ms, ms + 5);
  }
  genuine(1300, 2000);
  assert.deepEqual(
    signs.map((sign) => sign.kind === "clear" && sign.epoch),
    [2, 1],
  );
  assert.equal(playout.status(at(0)).lost, 0);
});

test("forged MKIs and tags, twenty times as many as the stream has packets, are no trouble while it opens", () => {
  const { playout, signs, use, packet, granted } = bench();
  use(1);
  granted();
  playout.datagram(at(0), packet());
  for (let n = 1; n < 1000; n++) {
    const sound = packet();
    for (let f = 0; f < 20; f++) {
      const forged = sound.slice();
      forged[f < 10 ? forged.length - 1 : 20] = 0xff - f;
      playout.datagram(at(n * 10), forged);
    }
    playout.datagram(at(n * 10), sound);
  }
  assert.equal(playout.status(at(10_000)).received, 1000);
  assert.deepEqual(signs, [{ kind: "clear", epoch: 1 }]);
});

test("a stream that has gone dark is told of after a quarter of a second", () => {
  const { playout, signs, use, packet, granted } = bench();
  use(1);
  granted();
  playout.datagram(at(0), packet());
  signs.length = 0;
  use(2);
  for (let ms = 10; ms < 250; ms += 10) playout.datagram(at(ms), packet());
  assert.deepEqual(signs, []);
  playout.datagram(at(250), packet());
  assert.deepEqual(signs, [{ kind: "unknown-epoch", epoch: 2 }]);
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

test("what the output does not take is settop.not-taken and was not handed on", () => {
  const { playout, output, use, packet, granted } = bench();
  use(1);
  granted();
  playout.datagram(at(1), packet());
  output.takes = false;
  for (let n = 0; n < 5; n++) playout.datagram(at(2), packet());
  const { handedOn, received, drops } = playout.status(at(3));
  assert.deepEqual([received, handedOn, drops], [6, 1, { "settop.not-taken": 5 }]);
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

/** The playout has heard epoch 1 far ahead; the sender has begun anew at index 0, with epoch 2, of which it is told. */
function begunAnew() {
  const ahead = bench(0x50000);
  ahead.use(1);
  ahead.granted();
  const recorded = [ahead.packet(), ahead.packet()];
  for (const packet of recorded) ahead.playout.datagram(at(110), packet.slice());
  ahead.signs.length = 0;
  const anew = bench(0);
  anew.use(2);
  ahead.playout.install(key(2));
  ahead.playout.position({ roc: 0, seq: 0, age: 0 });
  return { ...ahead, recorded, packet: anew.packet };
}

test("a sender that counts anew is told once; what older keys have opened is refused at once, whoever erases them", () => {
  const { playout, output, signs, packet, recorded } = begunAnew();
  for (let n = 0; n < 6; n++) playout.datagram(at(120), packet());
  assert.deepEqual(signs, [
    { kind: "clear", epoch: 2 },
    { kind: "began-anew", epoch: 2 },
  ]);
  for (const old of recorded) playout.datagram(at(130), old);
  assert.equal(output.packets.length, 5);
  assert.equal(playout.status(at(140)).drops["srtp.unknown-mki"], 2);
});
