import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../../base/ipv4.ts";
import { Bandwidth, type Carrier } from "./bandwidth.ts";

const RATES = {
  channels: [
    { groups: [{ group: address("239.1.0.0"), length: 16 }], kbitPerSecond: 4000 },
    { groups: [{ group: address("239.1.9.0"), length: 24 }], kbitPerSecond: 16_000 },
  ],
  otherChannels: 100,
};
const [NEWS, SPORT, FILM, RADIO] = ["239.1.0.1", "239.1.0.2", "239.1.9.1", "239.2.0.1"].map(address);
const LAN: Carrier = { kind: "interface", name: "lan" };
const of = (most: number | undefined) => new Bandwidth(RATES, () => most);

test("the most exact prefix tells what a channel needs, else the rate of all others", () => {
  const bandwidth = of(undefined);
  const rates = [NEWS, FILM, RADIO].map((group) => group !== undefined && bandwidth.rateOf(group));
  assert.deepEqual(rates, [4000, 16_000, 100]);
});

test("what fits in fits in; what is carried already takes nothing", () => {
  assert.ok(NEWS && SPORT && FILM);
  const bandwidth = of(8000);
  bandwidth.take(LAN, NEWS);
  assert.equal(bandwidth.fits(LAN, SPORT), true);
  assert.equal(bandwidth.fits(LAN, FILM), false);
  bandwidth.take(LAN, SPORT);
  assert.equal(bandwidth.fits(LAN, address("239.1.0.3")), false);
  assert.equal(bandwidth.fits(LAN, NEWS), true);
  assert.deepEqual(bandwidth.loads(), [{ carrier: LAN, capacity: 8000, load: 8000 }]);
});

test("two who want the same are counted once, and room comes with the last of them", () => {
  assert.ok(NEWS);
  const bandwidth = of(4000);
  bandwidth.take(LAN, NEWS);
  bandwidth.take(LAN, NEWS);
  assert.equal(bandwidth.giveBack(LAN, NEWS), false);
  assert.equal(bandwidth.carries(LAN, NEWS), true);
  assert.equal(bandwidth.giveBack(LAN, NEWS), true);
  assert.deepEqual(bandwidth.loads(), []);
  assert.equal(bandwidth.giveBack(LAN, NEWS), false);
});

test("other rates count for what is carried already", () => {
  assert.ok(NEWS && RADIO);
  const bandwidth = of(8000);
  bandwidth.take(LAN, NEWS);
  bandwidth.configure({ channels: [], otherChannels: 7950 }, () => 8000);
  assert.deepEqual(bandwidth.loads(), [{ carrier: LAN, capacity: 8000, load: 7950 }]);
  assert.equal(bandwidth.fits(LAN, RADIO), false);
  bandwidth.giveBack(LAN, NEWS);
  assert.equal(bandwidth.fits(LAN, RADIO), true);
});
