import assert from "node:assert/strict";
import { test } from "node:test";
import { address, formatIpv4, parseIpv4 } from "./ipv4.ts";

test("an address reads back as it was written", () => {
  assert.equal(formatIpv4(address("239.255.77.1")), "239.255.77.1");
  assert.equal(parseIpv4("256.1.1.1"), undefined);
  assert.equal(parseIpv4("1.2.3"), undefined);
  assert.equal(parseIpv4("01.2.3.4"), undefined);
});
