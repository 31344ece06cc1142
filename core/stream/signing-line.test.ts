import assert from "node:assert/strict";
import { test } from "node:test";
import { isManifest, manifestEpoch, manifestNumber } from "./manifest.ts";
import { SigningLine } from "./signing-line.ts";
import { at, numberOf, packetOf, primitives, SIGNER, Signing, STREAM, WINDOW } from "./source.testkit.ts";

const textOf = ({ at: time, datagram }: { at: number; datagram: Uint8Array }): string =>
  isManifest(datagram)
    ? `${time} manifest ${manifestEpoch(datagram)}.${manifestNumber(datagram)}`
    : `${time} packet ${numberOf(datagram)}`;

test("each packet leaves a window after it came, and its manifest before it, twice", () => {
  const log = new Signing().stream(0, 4, 20).finish().map(textOf);
  assert.deepEqual(log, [
    "70 manifest 1.0",
    "70 packet 0",
    "90 packet 1",
    "95 manifest 1.0",
    "110 packet 2",
    "130 manifest 1.1",
    "130 packet 3",
    "155 manifest 1.1",
  ]);
});

test("a fast stream has a manifest every 64 packets, and its packets keep their distances", () => {
  const signing = new Signing();
  const wire = signing.stream(0, 640, 0.1).finish();
  const packets = wire.filter(({ datagram }) => !isManifest(datagram));
  assert.equal(packets.length, 640);
  for (const { at: time, datagram } of packets)
    assert.ok(Math.abs(time - ((numberOf(datagram) + 1) * 0.1 + WINDOW)) < 1e-6, textOf({ at: time, datagram }));
  assert.equal(signing.line.manifests, 10);
  assert.equal(wire.length - packets.length, 20);
  assert.deepEqual(
    signing.sent,
    Array.from({ length: 640 }, (_, n) => n),
  );
  assert.equal(signing.line.waiting, 0);
});

test("a change of key closes the window: no manifest is of two epochs, and each epoch numbers from 0", () => {
  const signing = new Signing().stream(0, 2, 5);
  signing.use(2);
  const log = signing.stream(2, 2, 5).finish().map(textOf);
  assert.deepEqual(
    log.filter((line) => line.includes("manifest")),
    ["10 manifest 1.0", "35 manifest 1.0", "65 manifest 2.0", "90 manifest 2.0"],
  );
  assert.deepEqual(
    log.filter((line) => line.includes("packet")),
    ["55 packet 0", "60 packet 1", "65 packet 2", "70 packet 3"],
  );
});

test("nothing is signed without an epoch, and nothing leaves after the stop", () => {
  const sent: Uint8Array[] = [];
  const send = (datagram: Uint8Array): void => void sent.push(datagram);
  const line = new SigningLine({ primitives, stream: STREAM, signingKey: SIGNER.privateKey, window: WINDOW, send });
  assert.throws(() => line.push(at(0), packetOf(1), () => {}), RangeError);
  assert.throws(() => line.switchTo(at(0), 1), RangeError);
  const signing = new Signing().stream(0, 4, 1);
  signing.line.stop();
  assert.equal(signing.line.nextDeadline(), undefined);
  assert.deepEqual(signing.finish(), []);
});
