// A rogue member holds the group's key, and can make every packet that the group's key can make. It cannot make the sender's manifests.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { milliseconds } from "../base/time.ts";
import { DIGEST, digestOf, isManifest, MOST_DIGESTS, writeManifest } from "./manifest.ts";
import {
  at,
  gate,
  masterOf,
  type OnWire,
  packetOf,
  primitives,
  ROGUE,
  rogueManifest,
  SIGNER,
  Signing,
  STREAM,
} from "./source.testkit.ts";

const numbers = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

/** Everything on the wire, and what is due of the gate's own, in the order of time. */
function play(wire: readonly OnWire[], made: ReturnType<typeof gate>): void {
  for (const { at: time, datagram } of wire) {
    made.gate.poll(time);
    made.gate.datagram(time, datagram.slice());
  }
  made.gate.poll(at((wire.at(-1)?.at ?? 0) + 1000));
}

test("what the sender sent passes at once, in its order; each manifest's second copy is no news", () => {
  const made = gate();
  play(new Signing().stream(0, 300, 1).finish(), made);
  assert.deepEqual(made.passed, numbers(0, 300));
  const { manifests, covered, uncovered, drops } = made.gate.snapshot();
  assert.deepEqual({ covered, uncovered }, { covered: 300, uncovered: 0 });
  assert.deepEqual(drops, { "manifest.repeated": manifests });
});

test("a rogue member's packets do not pass, whatever it signs of them", () => {
  const made = gate();
  const forged = numbers(9000, 50).map(packetOf);
  const digests = Uint8Array.from(forged.flatMap((packet) => [...digestOf(primitives, packet)]));
  const wire = new Signing().stream(0, 100, 1).finish();
  const attack = [
    // Numbers that are still to come, and one that has been.
    ...[0, 1, 7, 4_000_000_000].map((number) => rogueManifest({ epoch: 1, number, digests })),
    ...forged,
  ].map((datagram) => ({ at: at(75), datagram }));
  play([...wire.filter(({ at: t }) => t <= 75), ...attack, ...wire.filter(({ at: t }) => t > 75)], made);
  assert.deepEqual(made.passed, numbers(0, 100));
  const { uncovered, drops } = made.gate.snapshot();
  assert.equal(uncovered, 50);
  assert.equal(drops["manifest.forged"], 3);
});

test("where uncovered packets may pass they do, late, and are counted as such", () => {
  const made = gate({ uncovered: "pass" });
  made.gate.datagram(at(0), packetOf(9000));
  assert.deepEqual(made.passed, []);
  assert.equal(made.gate.nextDeadline(), 100);
  made.gate.poll(at(100));
  assert.deepEqual(made.passed, [9000]);
  assert.deepEqual(made.gate.snapshot().drops, { "manifest.uncovered": 1 });
});

test("one in five datagrams is lost, manifests too: what arrives of the stream passes unless both copies are lost", () => {
  const entropy = new SeededEntropy(5);
  const made = gate();
  const wire = new Signing().stream(0, 4000, 1).finish();
  const arriving = wire.filter(() => entropy.below(1) >= 0.2);
  play(arriving, made);
  const arrived = arriving.filter(({ datagram }) => !isManifest(datagram)).length;
  // Both copies of one manifest in 25 are lost, and with them its packets.
  assert.ok(made.passed.length > arrived * 0.93, `${made.passed.length} of ${arrived}`);
  assert.equal(new Set(made.passed).size, made.passed.length);
});

test("the first copy of every manifest is lost: the packets wait for the second, and none is lost", () => {
  const seen = new Set<string>();
  const wire = new Signing()
    .stream(0, 500, 1)
    .finish()
    .filter(({ datagram }) => {
      const text = datagram.join();
      const isFirst = isManifest(datagram) && !seen.has(text);
      seen.add(text);
      return !isFirst;
    });
  const made = gate();
  play(wire, made);
  assert.deepEqual(
    [...made.passed].sort((a, b) => a - b),
    numbers(0, 500),
  );
});

test("packets that overtake their manifest wait for it, no longer and no more than may", () => {
  const made = gate({ most: 8, patience: milliseconds(30) });
  const [manifest, ...packets] = new Signing().stream(0, 20, 0.1).finish();
  assert.ok(manifest !== undefined && isManifest(manifest.datagram));
  for (const { datagram } of packets.slice(0, 10)) {
    // In the buffer of a socket, which is used again.
    const buffer = Buffer.from(datagram);
    made.gate.datagram(at(100), buffer);
    buffer.fill(0);
  }
  made.gate.datagram(at(110), manifest.datagram);
  assert.deepEqual(made.passed, numbers(2, 8), "the oldest two had no room");
  made.gate.datagram(at(111), packetOf(9000));
  made.gate.poll(at(140));
  assert.equal(made.gate.snapshot().uncovered, 2);
  made.gate.poll(at(141));
  assert.equal(made.gate.snapshot().uncovered, 3);
  assert.equal(made.gate.nextDeadline(), undefined);
});

test("a flood of forgeries, five times the stream: every genuine packet passes, and what is held stays bounded", () => {
  const made = gate();
  const entropy = new SeededEntropy(9);
  const flooded: OnWire[] = new Signing()
    .stream(0, 1000, 1)
    .finish()
    .flatMap((one) => [...Array.from({ length: 5 }, () => ({ at: one.at, datagram: entropy.bytes(200) })), one]);
  play(flooded, made);
  assert.deepEqual(made.passed, numbers(0, 1000));
});

test("forged manifests cost no more than a budget of checks; the sender's get through again when they cease", () => {
  const made = gate();
  const digests = digestOf(primitives, packetOf(9000));
  for (let i = 0; i < 500; i++) made.gate.datagram(at(0), rogueManifest({ epoch: 1, number: 1_000_000 + i, digests }));
  assert.deepEqual(made.gate.snapshot().drops, { "manifest.forged": 64, "manifest.too-many": 436 });
  play(
    new Signing()
      .stream(0, 100, 1)
      .finish()
      .map(({ at: time, datagram }) => ({ at: at(time + 200), datagram })),
    made,
  );
  assert.deepEqual(made.passed, numbers(0, 100));
});

test("recorded manifests do nothing: not a second time, not of an epoch that is over, not those of another channel or stream", () => {
  const made = gate();
  const wire = new Signing().stream(0, 100, 1).finish();
  const recorded = wire.filter(({ datagram }) => isManifest(datagram)).map(({ datagram }) => datagram);
  play(wire, made);
  const { manifests } = made.gate.snapshot();
  for (const datagram of recorded) made.gate.datagram(at(500), datagram);
  assert.equal(made.gate.snapshot().manifests, manifests);
  made.gate.retire(1);
  for (const datagram of recorded) made.gate.datagram(at(500), datagram);
  assert.equal(made.gate.unknownEpoch, 1);
  const { masterKey, masterSalt } = masterOf(1);
  made.gate.install(1, masterKey, masterSalt);
  assert.equal(made.gate.unknownEpoch, undefined);
  // By the very sender, for the other channel that it serves with the same keys, which cannot be, and the same SSRC.
  const other = gate({ stream: { ...STREAM, channel: "sport" } });
  for (const datagram of recorded) other.gate.datagram(at(0), datagram);
  assert.equal(other.gate.snapshot().drops["manifest.forged"], recorded.length);
  const another = gate({ stream: { ...STREAM, ssrc: 1 } });
  for (const datagram of recorded) another.gate.datagram(at(0), datagram);
  assert.deepEqual(another.gate.snapshot().drops, { "manifest.ssrc": recorded.length });
});

test("an outsider's manifests cost no signature's check; what is malformed is told by name", () => {
  const made = gate();
  const manifest = { epoch: 1, number: 5, digests: new Uint8Array(DIGEST) };
  const outsider = writeManifest(primitives, new Uint8Array(16).fill(9), SIGNER.privateKey, STREAM, manifest);
  made.gate.datagram(at(0), outsider);
  made.gate.datagram(at(0), outsider.slice(0, -1));
  made.gate.datagram(at(0), outsider.slice(0, 40));
  made.gate.datagram(at(0), rogueManifest({ ...manifest, epoch: 7 }));
  assert.equal(made.gate.unknownEpoch, 7);
  assert.deepEqual(made.gate.snapshot().drops, {
    "manifest.bad-tag": 1,
    "manifest.malformed": 2,
    "manifest.unknown-epoch": 1,
  });
  assert.throws(() => rogueManifest({ ...manifest, digests: new Uint8Array((MOST_DIGESTS + 1) * DIGEST) }), RangeError);
  assert.throws(() => rogueManifest({ ...manifest, digests: new Uint8Array(0) }, ROGUE.privateKey), RangeError);
});

test("four epochs: the oldest is forgotten; erased, nothing passes", () => {
  const made = gate();
  for (const epoch of [2, 3, 4]) made.gate.install(epoch, masterOf(epoch).masterKey, masterOf(epoch).masterSalt);
  const wire = new Signing().stream(0, 10, 1).finish();
  play(wire, made);
  assert.deepEqual(made.passed, []);
  assert.equal(made.gate.unknownEpoch, 1);
  const erased = gate();
  erased.gate.erase();
  play(wire, erased);
  assert.deepEqual(erased.passed, []);
});
