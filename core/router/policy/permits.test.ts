import assert from "node:assert/strict";
import { test } from "node:test";
import { address, ipv4 } from "../../base/ipv4.ts";
import { type Instant, instant, seconds } from "../../base/time.ts";
import { type EnforceOptions, Permits } from "./permits.ts";

const OPTIONS: EnforceOptions = {
  groups: [{ group: address("239.1.0.0"), length: 16 }],
  stands: seconds(600),
  afterwards: "closed",
  refresh: seconds(60),
};
const [FILM, NEWS] = [address("239.1.9.1"), address("239.1.0.1")];
const A = { port: "lan1", mac: "02:00:00:00:00:11", address: address("10.2.0.11") };
const B = { port: "lan2", mac: "02:00:00:00:00:12", address: address("10.2.0.12") };
const at = (s: number): Instant => instant(s * 1000);
const permit = ({ mac }: typeof A, ...groups: (typeof FILM)[]) => ({ mac, groups });

test("a card is asked about when it is new and at each refresh, until it is not heard for an hour", () => {
  const permits = new Permits(OPTIONS);
  permits.heard(at(0), A);
  permits.heard(at(1), A);
  assert.deepEqual(permits.effects(), [{ kind: "inquire", macs: [A.mac] }]);
  assert.deepEqual(permits.effects(), []);
  assert.equal(permits.nextDeadline(), at(60));
  permits.poll(at(60));
  assert.deepEqual(permits.effects(), [{ kind: "inquire", macs: [A.mac] }]);
  permits.poll(at(3602));
  assert.deepEqual(permits.effects(), []);
  assert.equal(permits.nextDeadline(), undefined);
});

test("only what control permits the card, and only of the groups that are enforced", () => {
  const permits = new Permits(OPTIONS);
  permits.heard(at(0), A);
  permits.told(at(0), [permit(A, FILM)]);
  assert.equal(permits.refuse(at(1), A, FILM), undefined);
  assert.equal(permits.refuse(at(1), A, NEWS), "policy.unpermitted");
  assert.equal(permits.refuse(at(1), B, FILM), "policy.no-word");
  assert.equal(permits.refuse(at(1), { ...B, mac: "" }, FILM), "policy.unpermitted");
  assert.equal(permits.refuse(at(1), B, address("239.2.0.1")), undefined);
});

for (const afterwards of ["open", "closed"] as const) {
  test(`control away: the last word stands its time, then it is ${afterwards}, as before the first`, () => {
    const permits = new Permits({ ...OPTIONS, afterwards });
    const nobodyKnows = afterwards === "open" ? undefined : "policy.no-word";
    assert.equal(permits.refuse(at(0), A, FILM), nobodyKnows);
    permits.heard(at(0), A);
    permits.heard(at(0), B);
    permits.told(at(0), [permit(A, FILM), permit(B)]);
    assert.equal(permits.poll(at(599)), false);
    assert.deepEqual(
      [permits.refuse(at(599), A, FILM), permits.refuse(at(599), B, FILM)],
      [undefined, "policy.unpermitted"],
    );
    assert.equal(permits.poll(at(600)), true);
    assert.equal(permits.poll(at(601)), false);
    assert.deepEqual([permits.refuse(at(601), A, FILM), permits.refuse(at(601), B, FILM)], [nobodyKnows, nobodyKnows]);
    permits.told(at(700), [permit(A, FILM)]);
    assert.equal(permits.refuse(at(701), A, FILM), undefined);
    assert.equal(permits.refuse(at(701), B, FILM), "policy.unpermitted");
  });
}

test("passes follow the card from port to port, are shared by two behind one port, and go with the right", () => {
  const permits = new Permits(OPTIONS);
  const passes = () => permits.effects().filter(({ kind }) => kind === "passes");
  permits.heard(at(0), A);
  permits.heard(at(0), { ...B, port: "lan1" });
  assert.deepEqual([...permits.told(at(0), [permit(A, FILM), permit(B, FILM)])], [A.mac, B.mac]);
  assert.deepEqual(passes(), [{ kind: "passes", added: [{ port: "lan1", group: FILM }], removed: [] }]);
  permits.heard(at(1), B);
  assert.deepEqual(passes(), [{ kind: "passes", added: [{ port: "lan2", group: FILM }], removed: [] }]);
  assert.deepEqual([...permits.told(at(2), [permit(A), permit(B, FILM)])], [A.mac]);
  assert.deepEqual(passes(), [{ kind: "passes", added: [], removed: [{ port: "lan1", group: FILM }] }]);
});

test("each word of control is told to the guard, after the passes that came with it", () => {
  const permits = new Permits(OPTIONS);
  permits.heard(at(0), A);
  permits.effects();
  permits.told(at(0), [permit(A, FILM)]);
  assert.deepEqual(
    permits.effects().map(({ kind }) => kind),
    ["passes", "stand"],
  );
  permits.told(at(1), [permit(A, FILM)]);
  assert.deepEqual(permits.effects(), [{ kind: "stand", span: seconds(600) }]);
});

test("what a predecessor let pass stays for a minute, or for good once its card is heard", () => {
  const permits = new Permits(OPTIONS);
  permits.adopt(at(0), [
    { port: "lan1", group: FILM },
    { port: "lan2", group: FILM },
  ]);
  permits.heard(at(1), A);
  permits.told(at(1), [permit(A, FILM)]);
  assert.deepEqual(
    permits.effects().map(({ kind }) => kind),
    ["stand", "inquire"],
  );
  permits.poll(at(60));
  assert.deepEqual(permits.effects()[0], { kind: "passes", added: [], removed: [{ port: "lan2", group: FILM }] });
});

test("invented cards do not push out those that control knows", () => {
  const permits = new Permits(OPTIONS);
  permits.heard(at(0), A);
  permits.told(at(0), [permit(A, FILM)]);
  for (let n = 0; n < 20_000; n++) {
    const mac = `06:00:00:00:${(n >> 8).toString(16).padStart(2, "0")}:${(n & 255).toString(16).padStart(2, "0")}`;
    permits.heard(at(1), { port: "lan2", mac, address: ipv4(n) });
  }
  assert.equal(permits.summary(at(1)).cards, 8192);
  assert.equal(permits.refuse(at(2), A, FILM), undefined);
});
