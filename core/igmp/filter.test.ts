// RFC 3376 3.2 and RFC 4605 4.1: the merge, and the membership database of a proxy.

import assert from "node:assert/strict";
import { test } from "node:test";
import { IPV4 } from "../base/address.ts";
import { fuzz } from "../base/fuzz.testkit.ts";
import { address, formatIpv4 } from "../base/ipv4.ts";
import { ANY_SOURCE, admits, filterOf, mergeFilters, NO_SOURCE, type SourceFilter } from "./filter.ts";
import { lastOctets, source, sources } from "./igmp.testkit.ts";
import { MembershipDatabase } from "./proxy.ts";

const include = (...numbers: number[]): SourceFilter => filterOf("include", sources(...numbers));
const exclude = (...numbers: number[]): SourceFilter => filterOf("exclude", sources(...numbers));
const text = ({ mode, sources }: SourceFilter): string => `${mode} ${lastOctets(sources)}`.trim();
const GROUP = address("239.1.1.1");

test("RFC 3376 3.2 examples: the interface excludes what all exclude and nobody includes", () => {
  // "from socket s1: (i, m, EXCLUDE, {a, b, c, d}), s2: (EXCLUDE, {b, c, d, e}), s3: (INCLUDE, {d, e, f})"
  assert.equal(text(mergeFilters([exclude(1, 2, 3, 4), exclude(2, 3, 4, 5), include(4, 5, 6)])), "exclude 2 3");
  // "s1: (INCLUDE, {a, b, c}), s2: (INCLUDE, {b, c, d}), s3: (INCLUDE, {e, f})"
  assert.equal(text(mergeFilters([include(1, 2, 3), include(2, 3, 4), include(5, 6)])), "include 1 2 3 4 5 6");
  assert.deepEqual(mergeFilters([]), NO_SOURCE);
});

fuzz(
  "the merge admits a source exactly when one of its parts does",
  { seed: 32, rounds: 2000 },
  ({ below, rounds }) => {
    for (let round = 0; round < rounds; round++) {
      const parts = Array.from({ length: 1 + below(4) }, () => {
        const numbers = Array.from({ length: below(5) }, () => 1 + below(6));
        return below(2) === 0 ? include(...numbers) : exclude(...numbers);
      });
      const merged = mergeFilters(parts);
      for (let n = 1; n <= 7; n++) {
        assert.equal(
          admits(merged, source(n)),
          parts.some((part) => admits(part, source(n))),
          parts.map(text).join(", "),
        );
      }
    }
  },
);

test("RFC 4605 4.1: I1 a v2 member, I2 INCLUDE{S1,S2} make (G, EXCLUDE, {}) upstream", () => {
  const database = new MembershipDatabase(IPV4);
  assert.deepEqual(database.set("i2", GROUP, include(1, 2)), { group: GROUP, filter: include(1, 2) });
  assert.deepEqual(database.set("i1", GROUP, ANY_SOURCE), { group: GROUP, filter: ANY_SOURCE });
  assert.equal(database.set("i2", GROUP, include(1)), undefined, "no change upstream, no event");
  assert.deepEqual(database.set("i1", GROUP, NO_SOURCE), { group: GROUP, filter: include(1) });
});

test("the last interface that wants nothing more ends the group", () => {
  const database = new MembershipDatabase(IPV4);
  const other = address("239.1.1.2");
  database.set("i1", GROUP, include(1));
  database.set("i2", GROUP, include(2));
  database.set("i1", other, ANY_SOURCE);
  assert.deepEqual(database.set("i1", GROUP, NO_SOURCE), { group: GROUP, filter: include(2) });
  assert.deepEqual(database.set("i1", other, NO_SOURCE), { group: other, filter: NO_SOURCE });
  assert.deepEqual(
    database.groups().map(({ group }) => formatIpv4(group)),
    ["239.1.1.1"],
  );
});

test("RFC 5771 section 4: 224.0.0.0/24 is never proxied", () => {
  const database = new MembershipDatabase(IPV4);
  assert.equal(database.set("i1", address("224.0.0.251"), ANY_SOURCE), undefined);
  assert.deepEqual(database.groups(), []);
  assert.notEqual(database.set("i1", address("224.0.1.1"), ANY_SOURCE), undefined);
});
