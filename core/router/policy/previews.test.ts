import assert from "node:assert/strict";
import { test } from "node:test";
import { address, type Ipv4, ipv4 } from "../../base/ipv4.ts";
import { type Instant, instant, seconds } from "../../base/time.ts";
import { Previews, type PreviewWish } from "./previews.ts";

const TERMS = { watch: seconds(60), perDay: 3, pause: seconds(300) };
const FILM = address("239.1.9.1");
const VIEWER = { port: "lan1", address: address("10.2.0.11"), mac: "02:00:00:00:00:11" };
const wish = (group: Ipv4 = FILM, host = VIEWER): PreviewWish => ({
  name: "lan",
  host,
  group,
  rule: { place: 2, origin: "file" },
  terms: TERMS,
});
const at = (s: number): Instant => instant(s * 1000);

test("a preview ends when its seconds are watched, and the next begins only after the pause", () => {
  const previews = new Previews();
  previews.begin(at(0), wish());
  assert.equal(previews.nextDeadline(), at(60));
  assert.deepEqual(previews.poll(at(59.9)), []);
  assert.deepEqual(previews.poll(at(60)), [wish()]);
  assert.equal(previews.refuse(at(60), wish()), "policy.preview-over");
  assert.equal(previews.refuse(at(359.9), wish()), "policy.preview-over");
  assert.equal(previews.refuse(at(360), wish()), undefined);
});

test("leaving and returning goes on with the same preview: only what was watched is counted", () => {
  const previews = new Previews();
  previews.begin(at(0), wish());
  previews.stop(at(20), VIEWER, FILM);
  assert.equal(previews.refuse(at(1000), wish()), undefined);
  previews.begin(at(1000), wish());
  assert.equal(previews.nextDeadline(), at(1040));
  assert.deepEqual(previews.poll(at(1040)), [wish()]);
});

test("a report again does not begin it again", () => {
  const previews = new Previews();
  previews.begin(at(0), wish());
  previews.begin(at(50), wish());
  assert.deepEqual(previews.poll(at(60)), [wish()]);
});

test("so many a day: the next comes a day after the first", () => {
  const previews = new Previews();
  for (const start of [0, 1000, 2000]) {
    assert.equal(previews.refuse(at(start), wish()), undefined);
    previews.begin(at(start), wish());
    previews.poll(at(start + 60));
  }
  assert.equal(previews.refuse(at(3000), wish()), "policy.preview-over");
  assert.equal(previews.refuse(at(86_399), wish()), "policy.preview-over");
  assert.equal(previews.refuse(at(86_400), wish()), undefined);
});

test("a host is its card: another address or port brings no other preview, another group does", () => {
  const previews = new Previews();
  previews.begin(at(0), wish());
  previews.poll(at(60));
  const moved = { ...VIEWER, port: "lan2", address: address("10.2.0.99") };
  assert.equal(previews.refuse(at(61), wish(FILM, moved)), "policy.preview-over");
  assert.equal(previews.refuse(at(61), wish(address("239.1.9.2"))), undefined);
});

test("what is a day old is forgotten, and what is kept is bounded: a host that tries everything leaves room for others", () => {
  const previews = new Previews(100);
  const zap = (n: number) => wish(ipv4(FILM + n));
  let refused = 0;
  for (let n = 0; n < 200; n++) {
    if (previews.refuse(at(n), zap(n)) === undefined) previews.begin(at(n), zap(n));
    else refused++;
    previews.stop(at(n + 0.5), VIEWER, ipv4(FILM + n));
  }
  assert.equal(previews.size + refused, 200);
  assert.ok(previews.size <= 84, String(previews.size));
  assert.equal(previews.refuse(at(200), zap(200)), "policy.previews-full");
  const another = { ...VIEWER, mac: "02:00:00:00:00:12" };
  assert.equal(previews.refuse(at(200), wish(FILM, another)), undefined);
  assert.deepEqual(previews.poll(at(86_700)), []);
  assert.equal(previews.size, 0);
  assert.equal(previews.nextDeadline(), undefined);
});
