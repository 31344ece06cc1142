import assert from "node:assert/strict";
import { test } from "node:test";
import { readUint16, writeUint16 } from "../../core/base/bytes.ts";
import { internetChecksum } from "../../core/base/checksum.ts";
import { address, writeIpv4 } from "../../core/base/ipv4.ts";
import { datagram } from "./linux.testkit.ts";
import { checkRelayed, fillChecksum, lengthOf, takeHop } from "./relayed-packet.ts";

const [SOURCE, GROUP] = [address("10.9.1.2"), address("239.255.77.1")];
const HEADER = 20;
const UDP_CHECKSUM = HEADER + 6;
/** The first octet, version and length of the header; total length; protocol. */
const packet = (): Buffer => datagram(SOURCE, GROUP, "odd");

/** RFC 768: source, destination, zero, protocol, length. */
function pseudoHeader(whole: Uint8Array): Uint8Array {
  const header = new Uint8Array(12);
  writeIpv4(header, 0, SOURCE);
  writeIpv4(header, 4, GROUP);
  header[9] = 17;
  writeUint16(header, 10, whole.length - HEADER);
  return header;
}

test("RFC 768: a checksum that the sender's card was to fill in is filled in, and nothing else is", () => {
  const whole = packet();
  const header = pseudoHeader(whole);
  writeUint16(whole, UDP_CHECKSUM, ~internetChecksum(header) & 0xffff);
  const before = Buffer.from(whole);
  fillChecksum(whole);
  assert.equal(internetChecksum(Uint8Array.from([...header, ...whole.subarray(HEADER)])), 0);
  writeUint16(whole, UDP_CHECKSUM, readUint16(before, UDP_CHECKSUM));
  assert.deepEqual(whole, before);
  for (const [at, value] of [
    [9, 6],
    [6, 0x20],
  ] as const) {
    const other = Buffer.from(before);
    other[at] = value;
    const untouched = Buffer.from(other);
    fillChecksum(other);
    assert.deepEqual(other, untouched, "neither TCP nor a fragment");
  }
});

test("RFC 1812 5.2.2, 5.3.7: what is no packet of a host is refused by name", () => {
  const changed = (change: (octets: Buffer) => void): Buffer => {
    const octets = packet();
    change(octets);
    writeUint16(octets, 10, 0);
    writeUint16(octets, 10, internetChecksum(octets, 0, HEADER));
    return octets;
  };
  const sources = ["0.1.2.3", "127.0.0.1", "239.1.1.1", "255.255.255.255"];
  const rows: readonly (readonly [Uint8Array, string | undefined])[] = [
    [packet(), undefined],
    [packet().subarray(0, HEADER - 1), "relay.header"],
    [changed((octets) => octets.writeUInt8(0x65, 0)), "relay.header"],
    [changed((octets) => octets.writeUInt8(0x44, 0)), "relay.header"],
    [changed((octets) => octets.writeUInt16BE(octets.length + 1, 2)), "relay.header"],
    [changed((octets) => octets.writeUInt16BE(HEADER - 1, 2)), "relay.header"],
    [packet().fill(1, 4, 5), "relay.checksum"],
    ...sources.map((text) => [datagram(address(text), GROUP, ""), "relay.source"] as const),
  ];
  for (const [octets, drop] of rows) assert.equal(checkRelayed(octets), drop);
  assert.equal(lengthOf(Buffer.concat([packet(), Buffer.alloc(9)])), packet().length);
});

test("RFC 1812 5.3.1: one hop less, and the last hop stays as it is", () => {
  const octets = packet();
  assert.deepEqual([takeHop(octets), octets[8]], [true, 7]);
  octets[8] = 1;
  assert.deepEqual([takeHop(octets), octets[8]], [false, 1]);
});
