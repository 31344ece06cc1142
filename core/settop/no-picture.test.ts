import assert from "node:assert/strict";
import { test } from "node:test";
import { milliseconds } from "../base/time.ts";
import type { BrokerStanding } from "../control/broker-standing.ts";
import { whyNoPicture } from "./no-picture.ts";
import type { PlayoutStatus } from "./playout.ts";
import type { ViewingStatus } from "./status.ts";

const GRANTED: ViewingStatus = {
  channel: "one",
  reception: "00",
  membership: { kind: "joined" },
  verdict: { kind: "granted" },
  epochs: [7],
  attempts: 0,
  age: milliseconds(9000),
};

const DARK: PlayoutStatus = {
  received: 0,
  lost: 0,
  duplicated: 0,
  reordered: 0,
  undecryptable: 0,
  resynchronised: 0,
  datagrams: 5,
  silentFor: milliseconds(10),
  handedOn: 0,
  reorder: { held: 0, skipped: 0, late: 0, strayed: 0 },
  drops: {},
  lastEpoch: undefined,
  positionLost: false,
  lastDrop: undefined,
  zapMs: undefined,
  darkFor: undefined,
  output: { driver: "null", packets: 0, octets: 0, drops: {}, fault: undefined },
};

const HERE: BrokerStanding = { kind: "connected" };
const REFUSED: BrokerStanding = { kind: "refused", why: "refused by the broker: unknown id or password" };

const why = (viewing: Partial<ViewingStatus>, stream: Partial<PlayoutStatus> = {}, broker: BrokerStanding = HERE) =>
  whyNoPicture(broker, { ...GRANTED, ...viewing }, { ...DARK, ...stream })?.reason;

test("a picture needs no reason; one that cannot get out has one", () => {
  assert.equal(why({}, { darkFor: milliseconds(100) }), undefined);
  assert.equal(why({}, { darkFor: milliseconds(100), output: { ...DARK.output, fault: "full" } }), "output-failed");
});

test("a denial outweighs everything else, and is told in its own words", () => {
  const verdict = { kind: "denied", reason: "device.revoked", text: "this device has been revoked" } as const;
  assert.equal(why({ verdict, membership: { kind: "left" } }, {}, REFUSED), "not-entitled");
  assert.equal(whyNoPicture(HERE, { ...GRANTED, verdict }, DARK)?.text, "device.revoked: this device has been revoked");
});

test("not joined: still joining, failed with its reason, or left", () => {
  for (const membership of [{ kind: "joining" }, { kind: "failed", why: "no interface" }, { kind: "left" }] as const)
    assert.equal(why({ membership }), "not-joined");
});

test("without a grant: the broker is away, the server busy or silent, or the question is fresh", () => {
  const unanswered = { verdict: { kind: "unanswered" } } as const;
  assert.equal(why(unanswered, {}, { kind: "away" }), "broker-away");
  assert.equal(why({ verdict: { kind: "busy", reason: "no-epoch" } }), "server-busy");
  assert.equal(why({ ...unanswered, attempts: 2 }), "no-answer");
  assert.equal(why({ ...unanswered, attempts: 1 }), "no-key");
});

test("a broker that refuses is no broker that is away: in its own words, also when the last key in hand has run out", () => {
  const verdict = { kind: "unanswered" } as const;
  const dark = whyNoPicture(REFUSED, { ...GRANTED, verdict }, DARK);
  assert.deepEqual(dark, { reason: "broker-refused", text: REFUSED.why });
  const away: BrokerStanding = { kind: "away", why: "connect ECONNREFUSED" };
  assert.match(whyNoPicture(away, { ...GRANTED, verdict }, DARK)?.text ?? "", /no key can be asked for: connect ECONN/);
  assert.equal(why({}, { lastDrop: "srtp.unknown-mki" }, REFUSED), "broker-refused");
  assert.equal(why({}, { lastDrop: "srtp.unknown-mki" }, away), "broker-away");
  assert.equal(why({}, { silentFor: undefined }, REFUSED), "no-packets");
});

test("with a grant: nothing arrives, or it does not open, or it is another stream", () => {
  assert.equal(why({}, { silentFor: undefined }), "no-packets");
  assert.equal(why({}, { silentFor: milliseconds(2000) }), "no-packets");
  assert.equal(why({}, { lastDrop: "srtp.bad-tag" }), "bad-tags");
  assert.equal(why({}, { lastDrop: "srtp.replayed" }), "bad-tags");
  assert.equal(why({}, { lastDrop: "srtp.unknown-mki" }), "no-key");
  assert.equal(why({}, { lastDrop: "srtp.ssrc" }), "no-packets");
});
