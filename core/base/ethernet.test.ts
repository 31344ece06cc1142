// The tap's gate: VLAN tags of every kind are passed, and what is inside another link is not this one's.
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkFrame } from "./ethernet.ts";

const HEADER = [0x01, 0x00, 0x5e, 0, 0, 1, 0x02, 0, 0, 0, 0, 9];
const frame = (...octets: number[]) => checkFrame(Uint8Array.from([...HEADER, ...octets]));

test("802.1Q, 802.1ad and 0x9100 tags, at most two of them", () => {
  for (const tag of [
    [0x81, 0x00],
    [0x88, 0xa8],
    [0x91, 0x00],
  ]) {
    const checked = frame(...tag, 0xe0, 100, ...tag, 0x0f, 0xff, 8, 0, 0x45);
    assert.deepEqual(checked, {
      mac: "02:00:00:00:00:09",
      unicast: false,
      vlans: [100, 4095],
      packet: Uint8Array.of(0x45),
    });
    assert.equal(frame(...tag, 0, 1, ...tag, 0, 2, ...tag, 0, 3, 8, 0, 0x45), "frame.too-many-tags");
    assert.equal(frame(...tag, 0, 1, 8), "frame.truncated");
  }
});

test("a PPPoE session that passes by is another link: no packet of this one", () => {
  assert.equal(frame(0x88, 0x64, 0x11, 0, 0, 1, 0, 3, 0, 0x21, 0x45), "frame.not-ipv4");
});
