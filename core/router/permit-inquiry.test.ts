import assert from "node:assert/strict";
import { test } from "node:test";
import { instant } from "../base/time.ts";
import type { MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { PermitInquiry, type PermitInquiryEffect } from "./permit-inquiry.ts";

const SERVER: Peer = { role: "reception", id: "reception-1", publicKey: new Uint8Array(32).fill(7) };
const cards = (n: number) => Array.from({ length: n }, (_, i) => `02:00:00:00:00:${(i + 16).toString(16)}`);

function inquiry() {
  let dice = 0;
  return new PermitInquiry(SERVER, {
    bytes: (n: number) => new Uint8Array(n).fill(++dice),
    below: (limit: number) => limit / 2,
  });
}

const asked = (effects: readonly PermitInquiryEffect[]): MessageOf<"permits.request"> | undefined => {
  const [message] = effects.flatMap((effect) =>
    effect.kind === "send" && effect.message.type === "permits.request" ? [effect.message] : [],
  );
  return message;
};

test("one request is under way at a time; of what is asked meanwhile only the last is kept", () => {
  const machine = inquiry();
  const macs = cards(8);
  const first = asked(machine.receive(instant(0), { kind: "inquire", macs }));
  assert.deepEqual(first?.macs, macs);
  for (const mac of ["02:00:00:00:01:01", "02:00:00:00:01:02"])
    assert.deepEqual(machine.receive(instant(1), { kind: "inquire", macs: [mac] }), []);
  const permits = macs.map((mac) => ({ mac, groups: [1] }));
  const message = { type: "permits", id: first?.id ?? new Uint8Array(), permits } as const;
  const effects = machine.receive(instant(2), { kind: "answer", from: SERVER, message });
  assert.deepEqual(effects[0], { kind: "permits", permits });
  assert.deepEqual(asked(effects)?.macs, ["02:00:00:00:01:02"]);
});

test("it is asked again, as the same request, until it is answered; a stranger's answer is none", () => {
  const machine = inquiry();
  const first = asked(machine.receive(instant(0), { kind: "inquire", macs: cards(1) }));
  const due = machine.nextDeadline();
  assert.ok(first !== undefined && due !== undefined);
  assert.deepEqual(asked(machine.poll(due))?.id, first.id);
  const permits = [{ mac: cards(1)[0] ?? "", groups: [] }];
  const message = { type: "permits", id: first.id, permits } as const;
  const stranger = { ...SERVER, publicKey: new Uint8Array(32) };
  const from = (peer: Peer) => machine.receive(due, { kind: "answer", from: peer, message });
  assert.deepEqual(from(stranger), [{ kind: "drop", reason: "answer.unexpected" }]);
  assert.deepEqual(from(SERVER), [{ kind: "permits", permits }]);
  assert.deepEqual(from(SERVER), [{ kind: "drop", reason: "answer.unknown" }]);
  assert.deepEqual(machine.poll(instant(1e6)), []);
});
