import assert from "node:assert/strict";
import { test } from "node:test";
import { IPV4 } from "../../base/address.ts";
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
  const permits = new Permits(IPV4, OPTIONS);
  permits.heard(at(0), A);
  permits.heard(at(1), A);
  assert.deepEqual(permits.effects(at(0)), [{ kind: "inquire", macs: [A.mac] }]);
  assert.deepEqual(permits.effects(at(0)), []);
  permits.told(at(2), [permit(A)]);
  permits.effects(at(2));
  assert.equal(permits.nextDeadline(), at(60));
  permits.poll(at(60));
  assert.deepEqual(permits.effects(at(0)), [{ kind: "inquire", macs: [A.mac] }]);
  permits.told(at(61), [permit(A)]);
  permits.poll(at(3602));
  assert.deepEqual(permits.effects(at(3602)), []);
  assert.equal(permits.nextDeadline(), undefined);
});

test("only what control permits the card, and only of the groups that are enforced", () => {
  const permits = new Permits(IPV4, OPTIONS);
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
    const permits = new Permits(IPV4, { ...OPTIONS, afterwards });
    const nobodyKnows = afterwards === "open" ? undefined : "policy.no-word";
    assert.equal(permits.refuse(at(0), A, FILM), nobodyKnows);
    permits.heard(at(0), A);
    permits.heard(at(0), B);
    permits.told(at(0), [permit(A, FILM), permit(B)]);
    assert.equal(permits.poll(at(599)), undefined);
    assert.deepEqual(
      [permits.refuse(at(599), A, FILM), permits.refuse(at(599), B, FILM)],
      [undefined, "policy.unpermitted"],
    );
    assert.equal(permits.poll(at(600)), "ended");
    assert.equal(permits.poll(at(601)), undefined);
    assert.deepEqual([permits.refuse(at(601), A, FILM), permits.refuse(at(601), B, FILM)], [nobodyKnows, nobodyKnows]);
    permits.told(at(700), [permit(A, FILM)]);
    assert.equal(permits.refuse(at(701), A, FILM), undefined);
    assert.equal(permits.refuse(at(701), B, FILM), "policy.unpermitted");
  });
}

test("passes follow the card from port to port, are shared by two behind one port, and go with the right", () => {
  const permits = new Permits(IPV4, OPTIONS);
  const passes = () => permits.effects(at(0)).filter(({ kind }) => kind === "passes");
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
  const permits = new Permits(IPV4, OPTIONS);
  permits.heard(at(0), A);
  permits.effects(at(0));
  permits.told(at(0), [permit(A, FILM)]);
  assert.deepEqual(
    permits.effects(at(0)).map(({ kind }) => kind),
    ["passes", "stand", "keep"],
  );
  permits.told(at(1), [permit(A, FILM)]);
  assert.deepEqual(permits.effects(at(1)), [{ kind: "stand", span: seconds(600) }]);
});

test("what a predecessor let pass stays for a minute, or for good once its card is heard", () => {
  const permits = new Permits(IPV4, OPTIONS);
  permits.adopt(at(0), [
    { port: "lan1", group: FILM },
    { port: "lan2", group: FILM },
  ]);
  permits.heard(at(1), A);
  permits.effects(at(1));
  permits.told(at(1), [permit(A, FILM)]);
  assert.deepEqual(
    permits.effects(at(1)).map(({ kind }) => kind),
    ["stand", "keep"],
  );
  permits.poll(at(60));
  assert.deepEqual(permits.effects(at(0))[0], { kind: "passes", added: [], removed: [{ port: "lan2", group: FILM }] });
});

test("invented cards do not push out those that control knows", () => {
  const permits = new Permits(IPV4, OPTIONS);
  permits.heard(at(0), A);
  permits.told(at(0), [permit(A, FILM)]);
  for (let n = 0; n < 20_000; n++) {
    const mac = `06:00:00:00:${(n >> 8).toString(16).padStart(2, "0")}:${(n & 255).toString(16).padStart(2, "0")}`;
    permits.heard(at(1), { port: "lan2", mac, address: ipv4(n) });
  }
  assert.equal(permits.summary(at(1)).cards, 8192);
  assert.equal(permits.refuse(at(2), A, FILM), undefined);
});

const kinds = (permits: Permits, now: Instant) => permits.effects(now).map(({ kind }) => kind);

test("what one process keeps the next one goes by, no longer than the word would have stood, and asks about at once", () => {
  const [before, next] = [new Permits(IPV4, OPTIONS), new Permits(IPV4, OPTIONS)];
  for (const card of [A, B]) before.heard(at(0), card);
  before.told(at(0), [permit(A, FILM), permit(B)]);
  assert.ok(kinds(before, at(0)).includes("keep"));
  const kept = before.kept(at(500));
  assert.deepEqual(kept, { standsFor: seconds(100), cards: [{ mac: A.mac, port: "lan1", groups: [FILM] }] });
  next.restore(at(1000), kept);
  assert.deepEqual(next.effects(at(1000)), [
    { kind: "passes", added: [{ port: "lan1", group: FILM }], removed: [] },
    { kind: "stand", span: seconds(100) },
    { kind: "inquire", macs: [A.mac] },
  ]);
  assert.equal(next.refuse(at(1099), A, FILM), undefined);
  assert.equal(next.refuse(at(1099), B, FILM), "policy.no-word");
  assert.equal(next.poll(at(1100)), "ended");
  assert.equal(next.refuse(at(1100), A, FILM), "policy.no-word");
  next.restore(at(1200), { ...kept, standsFor: seconds(0) });
  assert.equal(next.refuse(at(1200), A, FILM), "policy.no-word");
  next.restore(at(1200), { ...kept, standsFor: seconds(1e9) });
  assert.equal(next.poll(at(1800)), "ended");
});

test("what is kept is kept anew when a right changes, a card moves, and before much of its time is over", () => {
  const permits = new Permits(IPV4, OPTIONS);
  permits.heard(at(0), A);
  const keeps = (s: number, ...groups: (typeof FILM)[]) => {
    permits.told(at(s), [permit(A, ...groups)]);
    return kinds(permits, at(s)).includes("keep");
  };
  assert.deepEqual([keeps(0, FILM), keeps(60, FILM), keeps(75, FILM), keeps(76, FILM)], [true, false, true, false]);
  assert.equal(keeps(77), true);
  assert.equal(keeps(78, FILM), true);
  permits.heard(at(79), { ...A, port: "lan2" });
  assert.ok(kinds(permits, at(79)).includes("keep"));
});

test("control falls silent: open, a box that it has said nothing of gets its groups by its own port, until control speaks of it", () => {
  const permits = new Permits(IPV4, { ...OPTIONS, afterwards: "open" });
  permits.heard(at(0), A);
  permits.told(at(0), [permit(A, FILM)]);
  permits.effects(at(0));
  permits.heard(at(1), B);
  assert.equal(permits.refuse(at(1), B, FILM), "policy.no-word");
  assert.equal(permits.poll(at(5)), undefined);
  assert.equal(permits.nextDeadline(), at(6));
  assert.equal(permits.poll(at(6)), "silent");
  assert.equal(permits.refuse(at(6), B, FILM), undefined);
  assert.equal(permits.refuse(at(6), A, NEWS), "policy.unpermitted", "what it has said stands");
  permits.effects(at(6));
  permits.joined(B, FILM);
  const passes = (added: boolean) => ({
    added: added ? [{ port: "lan2", group: FILM }] : [],
    removed: added ? [] : [{ port: "lan2", group: FILM }],
  });
  assert.deepEqual(permits.effects(at(6)), [{ kind: "passes", ...passes(true) }]);
  permits.left(B, FILM);
  assert.deepEqual(permits.effects(at(7)), [{ kind: "passes", ...passes(false) }]);
  permits.joined(B, FILM);
  const late = { port: "lan3", mac: "02:00:00:00:00:13", address: address("10.2.0.13") };
  assert.equal(permits.refuse(at(7), late, FILM), undefined, "nobody waits again for who is away");
  assert.deepEqual(permits.summary(at(7)), { stands: true, cards: 2, permitted: 1 });
  // It is back: of the others it will say something soon.
  assert.deepEqual([...permits.told(at(8), [permit(A, FILM)])], []);
  assert.equal(permits.refuse(at(8), B, FILM), undefined);
  assert.equal(permits.refuse(at(8), late, FILM), "policy.no-word");
  assert.deepEqual([...permits.told(at(9), [permit(B)])], [B.mac]);
  assert.equal(permits.refuse(at(9), B, FILM), "policy.unpermitted");
});

test("control falls silent: closed, a box that it has said nothing of gets nothing", () => {
  const permits = new Permits(IPV4, OPTIONS);
  permits.heard(at(0), A);
  permits.told(at(0), [permit(A, FILM)]);
  permits.heard(at(1), B);
  assert.equal(permits.poll(at(6)), undefined);
  assert.equal(permits.refuse(at(6), B, FILM), "policy.no-word");
});

test("a box is asked about in the next request but one, however many cards are invented beside it", () => {
  const permits = new Permits(IPV4, OPTIONS);
  const spray = (n: number) => {
    const mac = `06:00:00:${[n >> 16, n >> 8, n].map((octet) => (octet & 255).toString(16).padStart(2, "0")).join(":")}`;
    permits.heard(at(0), { port: "lan3", mac, address: ipv4(n) });
  };
  for (let n = 0; n < 100_000; n++) spray(n);
  const asked = (now: Instant) =>
    permits.effects(now).flatMap((effect) => (effect.kind === "inquire" ? effect.macs : []));
  const first = asked(at(0));
  assert.equal(first.length, 8);
  permits.heard(at(1), A);
  permits.heard(at(1), { ...B, port: "lan3" });
  permits.heard(at(2), { ...B, port: "lan3" });
  assert.deepEqual(asked(at(2)), [], "one request at a time");
  permits.told(
    at(2),
    first.map((mac) => ({ mac, groups: [] })),
  );
  const next = asked(at(2));
  assert.ok(next.includes(A.mac), "on another port");
  assert.ok(next.includes(B.mac), "on the same port, heard again");
  assert.equal(next.length, 8);
});

test("what an answer leaves out is asked again", () => {
  const permits = new Permits(IPV4, OPTIONS);
  for (const card of [A, B]) permits.heard(at(0), card);
  assert.deepEqual(permits.effects(at(0)), [{ kind: "inquire", macs: [A.mac, B.mac] }]);
  permits.told(at(1), [permit(A, FILM)]);
  assert.deepEqual(permits.effects(at(1)).at(-1), { kind: "inquire", macs: [B.mac] });
});
