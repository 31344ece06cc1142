import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "cborg";
import { fuzz, mutated } from "../base/fuzz.testkit.ts";
import { isPlainCbor } from "./cbor-gate.ts";
import { type BadMessage, decodeMessage, encodeMessage, isBadMessage, MESSAGE_LIMIT } from "./codec.ts";
import { EXAMPLE_MESSAGES, EXAMPLES } from "./messages.testkit.ts";
import { MESSAGES, type Message, POLICY_PART } from "./messages.ts";

const bytesOf = (message: Message): Uint8Array => {
  const bytes = encodeMessage(message);
  assert.ok(!isBadMessage(bytes), message.type);
  return bytes;
};

const refusal = (payload: Uint8Array): BadMessage => {
  const result = decodeMessage(payload);
  assert.ok(isBadMessage(result), "was accepted");
  return result;
};

const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], (octet) => Number.parseInt(octet, 16));

test("every message type has an example, and each reads back as it was written", () => {
  assert.deepEqual(Object.keys(EXAMPLES).sort(), Object.keys(MESSAGES).sort());
  for (const message of EXAMPLE_MESSAGES) assert.deepEqual(decodeMessage(bytesOf(message)), message);
});

test("a message reads back from a Buffer as copies, so that the buffer may be used again", () => {
  const payload = Buffer.from(bytesOf(EXAMPLES["key.request"]));
  const message = decodeMessage(payload);
  payload.fill(0xa5);
  assert.deepEqual(message, EXAMPLES["key.request"]);
});

test("optional fields may be absent or undefined", () => {
  const { have: _, ...request } = EXAMPLES["key.request"];
  assert.deepEqual(decodeMessage(bytesOf(request)), request);
});

test("message.oversized: more than 16 KiB is not looked at", () => {
  assert.equal(refusal(new Uint8Array(MESSAGE_LIMIT + 1)).drop, "message.oversized");
});

// RFC 8949: each line breaks one rule of the plain form.
const MALFORMED = {
  "nothing at all": "",
  "an item cut short": "a1",
  "octets behind the item": "a000",
  "a string longer than the payload": "7aFFFFFFFF",
  "an array that claims 2^32 - 1 items": "9aFFFFFFFF",
  "a map that claims 2^53 items": "bb0020000000000000",
  "an indefinite array": "9f01ff",
  "an indefinite byte string": "5f4101ff",
  "a tag": "c100",
  "a float": "fb3ff0000000000000",
  undefined: "f7",
  "a reserved length": "1c",
  "a repeated key": "a2616101616102",
  "a key that is no text": "a10101",
  "an integer longer than it need be": "a161611801",
  "text that is not UTF-8, inside a map": "a16161",
  "nine levels": "818181818181818181a0",
} as const;

for (const [name, payload] of Object.entries(MALFORMED)) {
  test(`message.malformed: ${name}`, () => {
    assert.equal(refusal(hex(payload)).drop, "message.malformed");
  });
}

test("16 KiB of nested arrays neither recurse nor allocate", () => {
  assert.equal(isPlainCbor(new Uint8Array(MESSAGE_LIMIT).fill(0x81)), false);
});

test("eight levels are plain, nine are not", () => {
  assert.equal(isPlainCbor(hex(`${"81".repeat(8)}00`)), true);
  assert.equal(isPlainCbor(hex(`${"81".repeat(9)}00`)), false);
});

test("more than 8192 items are not plain", () => {
  const many = new Uint8Array(3 + 9000).fill(0);
  many.set([0x99, 0x23, 0x28]);
  assert.equal(isPlainCbor(many), false);
});

test("message.unknown-type: no type, another type, an inherited name", () => {
  for (const value of [
    {},
    { type: 1 },
    { type: "key.theft" },
    { type: "toString" },
    { type: "__proto__" },
    [],
    1,
    null,
  ])
    assert.equal(refusal(encode(value)).drop, "message.unknown-type");
});

test("message.invalid: the fault is told with its path", () => {
  const request = EXAMPLES["key.request"];
  const cases: readonly (readonly [object, string])[] = [
    [{ ...request, id: new Uint8Array(15) }, "key.request.id: must be 16 octets"],
    [{ ...request, channel: "../etc" }, "key.request.channel: "],
    [{ ...request, have: -1 }, "key.request.have: "],
    [{ ...request, more: 1 }, "key.request.more: "],
    [{ ...EXAMPLES["key.grant"], epochs: [{ epoch: 1 }] }, "key.grant.epochs.0.masterKey: "],
    [{ ...EXAMPLES["key.grant"], epochs: [] }, "key.grant.epochs: "],
  ];
  for (const [value, path] of cases) {
    const { drop, detail } = refusal(encode(value));
    assert.equal(drop, "message.invalid");
    assert.ok(detail.startsWith(path), `${detail} should start with ${path}`);
  }
});

test("an address of a membership is a number, or eight groups of four digits in full and nothing shorter", () => {
  const report = EXAMPLES["membership.report"];
  const [change] = report.changes;
  const telling = (host: unknown) =>
    encode({ ...report, changes: [{ ...change, host, group: host, sources: [host] }] });
  const host = "2001:0db8:0000:0000:0000:0000:0000:00fe";
  const read = decodeMessage(telling(host));
  assert.deepEqual(read, { ...report, changes: [{ ...change, host, group: host, sources: [host] }] });
  for (const bad of ["2001:db8::fe", host.toUpperCase(), `${host}:0000`, "192.0.2.1", new Uint8Array(16), -1, 2 ** 32])
    assert.equal(refusal(telling(bad)).drop, "message.invalid", String(bad));
});

test("a policy is bounded in its parts, their length and their characters; a revision is a whole number from 1", () => {
  const { policy, "policy.request": request, "policy.changed": changed } = EXAMPLES;
  const part = "x".repeat(POLICY_PART);
  assert.deepEqual(decodeMessage(encode({ ...policy, text: part, part: 21, parts: 22 })), {
    ...policy,
    ...{ text: part, part: 21, parts: 22 },
  });
  const refused = { revision: 1, faults: ["no"] };
  for (const bad of [
    { ...policy, text: `${part}x` },
    { ...policy, text: "" },
    { ...policy, text: "brücke" },
    { ...policy, text: new Uint8Array(4) },
    { ...policy, part: 2, parts: 2 },
    { ...policy, part: 0, parts: 23 },
    { ...policy, part: -1 },
    { ...policy, revision: 0 },
    { ...policy, router: "r1" },
    { ...request, revision: -1 },
    { ...request, since: -1 },
    { ...request, rules: [] },
    { ...request, refused: { ...refused, revision: 0 } },
    { ...request, refused: { ...refused, faults: ["x".repeat(201)] } },
    { ...request, refused: { ...refused, faults: Array.from({ length: 17 }, () => "no") } },
    { ...request, remarks: "none" },
    { ...request, wants: { revision: 1, part: 0 } },
    { ...request, wants: { revision: 1, part: 22 } },
    { ...changed, revision: "1" },
    { ...changed, policy: "{}" },
  ])
    assert.equal(refusal(encode(bad)).drop, "message.invalid", JSON.stringify(bad).slice(0, 200));
});

test("a map with a __proto__ key cannot lend fields to a message", () => {
  // {"__proto__": {...every field...}}: as an own key it is one too many, inherited it would be accepted.
  const inner = bytesOf(EXAMPLES.permission);
  const payload = Uint8Array.from([0xa1, 0x69, ...Buffer.from("__proto__"), ...inner]);
  assert.equal(refusal(payload).drop, "message.unknown-type");
});

test("what nobody would accept is not encoded either", () => {
  const bad = encodeMessage({ ...EXAMPLES["key.busy"], retryAfter: 0.5 });
  assert.ok(isBadMessage(bad));
  assert.equal(bad.drop, "message.invalid");
  assert.ok(bad.detail.startsWith("key.busy.retryAfter: "), bad.detail);
});

const KNOWN = ["accepted", "message.invalid", "message.malformed", "message.unknown-type"];

fuzz("mutations of each message are accepted or dropped by name", { seed: 1, rounds: 10_000 }, ({ below, rounds }) => {
  const seen = new Set<string>();
  for (const message of EXAMPLE_MESSAGES) {
    const bytes = bytesOf(message);
    for (let round = 0; round < rounds; round++) {
      let payload = mutated(bytes, below);
      if (below(3) === 0 && payload.length > 0) payload = mutated(payload, below);
      const result = decodeMessage(payload);
      if (isBadMessage(result)) {
        seen.add(result.drop);
        if (result.drop === "message.invalid") assert.ok(result.detail.length > 0 && result.detail.length <= 200);
      } else {
        seen.add("accepted");
      }
    }
  }
  assert.deepEqual([...seen].sort(), KNOWN);
});
