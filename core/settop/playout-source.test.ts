// A signed channel at the set-top, and a rogue member: a set-top of the same group, who has the keys that it was granted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeCiphers } from "../../hal/cipher/node.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { type Instant, milliseconds } from "../base/time.ts";
import { RTP_HEADER, writeRtpHeader } from "../stream/rtp.ts";
import { StreamSender } from "../stream/sender.ts";
import { SigningLine } from "../stream/signing-line.ts";
import { at, key, Recorder, STREAM } from "./playout.testkit.ts";
import { Playout, type SourceAuthentication } from "./playout.ts";

const primitives = new NodePrimitives();
const signing = primitives.ed25519Generate();
const WINDOW = milliseconds(50);
const FIRST = 1000;
const GENUINE = 0x47;
const FORGED = 0x66;

/** Whoever holds the key of epoch 1 and counts its packets from an index. */
function sender(firstIndex: number, filling: number) {
  const { suite, mkiLength, ssrc } = STREAM;
  const made = new StreamSender({ ciphers: nodeCiphers, suite, mkiLength, ssrc, firstIndex });
  made.install(1, key(1).masterKey, key(1).masterSalt);
  made.switchTo(1);
  return (): Uint8Array => {
    const bytes = new Uint8Array(RTP_HEADER + 188 + made.trailerLength);
    writeRtpHeader(bytes, 33, 0);
    bytes.fill(filling, RTP_HEADER, RTP_HEADER + 188);
    return bytes.subarray(0, made.protect(bytes, RTP_HEADER + 188));
  };
}

/** A set-top that was granted epoch 1, a headend that sends it a packet every 10 ms, and what came out. */
function bench(source: Partial<SourceAuthentication> | undefined, signer: Uint8Array | "nobody" = signing.publicKey) {
  const output = new Recorder();
  const signs: string[] = [];
  const playout = new Playout(
    {
      ciphers: nodeCiphers,
      output,
      source: source && { primitives, channel: "news", uncovered: "drop", ...source },
      sign: (sign) => signs.push(sign.kind),
    },
    at(0),
  );
  playout.receive({ ...STREAM, ...(signer === "nobody" ? {} : { signer }) });
  playout.position({ roc: 0, seq: FIRST, age: 0 });
  playout.install(key(1));
  const headend = sender(FIRST, GENUINE);
  let now: Instant = at(0);
  const line = new SigningLine({
    primitives,
    stream: { channel: "news", ssrc: STREAM.ssrc },
    signingKey: signing.privateKey,
    window: WINDOW,
    send: (datagram) => playout.datagram(now, datagram.slice()),
  });
  line.install(1, key(1).masterKey, key(1).masterSalt);
  line.switchTo(now, 1);
  const run = (until: number, sending: boolean): void => {
    for (; now < until; now = at(now + 1)) {
      playout.poll(now);
      if (sending && now % 10 === 0) line.push(now, headend(), () => {});
      line.poll(now);
    }
  };
  const inject = (datagram: Uint8Array): void => playout.datagram(now, datagram);
  const counts = () => ({
    genuine: output.packets.filter((packet) => packet[0] === GENUINE).length,
    forged: output.packets.filter((packet) => packet[0] === FORGED).length,
  });
  return { run, inject, counts, signs, status: () => playout.status(now), line };
}

test("a rogue member sends in the stream's name: nothing of it comes out, and nothing of the stream is missing", () => {
  const box = bench({});
  const [next, far] = [sender(FIRST + 20, FORGED), sender(FIRST + 20_000, FORGED)];
  for (let s = 0; s < 20; s++) {
    box.run(100 * (s + 1), true);
    // Numbers that the headend is about to use, and those of a stream that has jumped.
    for (let i = 0; i < 10; i++) box.inject(next());
    for (let i = 0; i < 10; i++) box.inject(far());
  }
  box.run(2200, false);
  assert.deepEqual(box.counts(), { genuine: 200, forged: 0 });
  const { lost, authentication, drops } = box.status();
  assert.equal(lost, 0);
  assert.deepEqual(authentication, { manifests: box.line.manifests, covered: 200, uncovered: 400 });
  assert.equal(drops["manifest.uncovered"], 400);
});

test("the same member where the source is not authenticated: its packets come out, and the stream's own are replays", () => {
  const box = bench(undefined);
  const next = sender(FIRST + 10, FORGED);
  box.run(100, true);
  for (let i = 0; i < 10; i++) box.inject(next());
  box.run(300, true);
  assert.ok(box.counts().forged > 0 && box.counts().genuine < 20);
  assert.ok((box.status().drops["settop.manifest"] ?? 0) > 0);
  assert.equal(box.status().authentication, undefined);
});

test("flagged instead of dropped: it comes out late, and status counts it", () => {
  const box = bench({ uncovered: "pass" });
  box.run(1000, true);
  // A number that the headend uses a little later: what is far ahead and alone goes no further than the order.
  box.inject(sender(FIRST + 112, FORGED)());
  box.run(1200, true);
  assert.equal(box.counts().forged, 1);
  assert.equal(box.status().authentication?.uncovered, 1);
});

test("a channel that is not signed is taken as it comes; signed by another key, nothing is, and status says why", () => {
  const plain = bench({}, "nobody");
  plain.run(500, true);
  assert.ok(plain.counts().genuine > 40);
  const other = bench({}, primitives.ed25519Generate().publicKey);
  other.run(500, true);
  assert.deepEqual(other.counts(), { genuine: 0, forged: 0 });
  assert.equal(other.status().lastDrop, "manifest.uncovered");
});

test("manifests under a key that is not here are a sign to ask for it", () => {
  const box = bench({});
  box.line.install(2, key(2).masterKey, key(2).masterSalt);
  box.run(500, true);
  box.line.switchTo(at(500), 2);
  box.run(1000, true);
  assert.ok(box.signs.includes("unknown-epoch"));
});
