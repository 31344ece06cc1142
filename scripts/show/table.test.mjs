import assert from "node:assert/strict";
import { test } from "node:test";
import { channelRow, Screen, tableLines } from "./table.mjs";

const settop = { id: "settop11", state: "watching", received: 700, lost: 0, zapMs: 70, epoch: 3, identical: true };
const picture = {
  seconds: 12.4,
  channels: [{ id: "one", group: "239.41.0.1", epoch: 3, packets: 4100 }],
  settops: [settop, { ...settop, id: "stranger", state: "no picture: no-key", received: 0, zapMs: undefined }],
  receptions: { live: 3, closed: 1 },
  denied: 2,
  news: ["a stranger without entitlement has joined"],
};

/** What a Screen writes. @param {{ isTTY: boolean, columns?: number }} terminal @param {(screen: Screen) => void} use */
function written(terminal, use) {
  let text = "";
  const output = { ...terminal, write: (/** @type {string} */ part) => (text += part) };
  use(new Screen(output));
  return text;
}

test("the table as it is drawn", () => {
  assert.deepEqual(tableLines(picture), [
    "sealcast, 12 s",
    "channel one on 239.41.0.1: epoch 3, 4100 packets sent",
    "receptions: 3 live, 1 closed; requests denied: 2",
    "",
    "set-top     state                             packets  lost  epoch  picture after output    ",
    "settop11    watching                          700      0     3      70 ms         identical ",
    "stranger    no picture: no-key                0        0     3      -             -         ",
    "",
    "a stranger without entitlement has joined",
  ]);
});

test("a channel without a key has none in the table", () => {
  const output = { packets: 0, octets: 0, drops: {} };
  const row = channelRow({ channel: "one", raised: [], output, source: {} }, "239.41.0.1");
  const [, line] = tableLines({ ...picture, channels: [row] });
  assert.equal(line, "channel one on 239.41.0.1: epoch -, 0 packets sent");
});

test("on a terminal the table is drawn over the one before, no line wider than the terminal", () => {
  const text = written({ isTTY: true, columns: 40 }, (screen) => {
    screen.draw(picture);
    screen.note("set-top 21 has stopped (81 to 86)");
    screen.draw(picture);
  });
  const [, first = "", second = ""] = text.split("\x1b[J");
  assert.equal(first.split("\n").length, 9 + 1 - 1, "no event yet: eight lines, and where the cursor stands");
  assert.ok(text.includes("\x1b[8A\x1b[J"), "up by as many lines as were drawn");
  assert.match(second, /set-top 21 has stopped/);
  for (const line of `${first}${second}`.split("\n")) assert.ok(line.length <= 40, line);
});

test("elsewhere an event is a line at once, and the picture one line every two seconds", () => {
  const text = written({ isTTY: false }, (screen) => {
    screen.note("set-top 21 has stopped (81 to 86)");
    for (const seconds of [1, 1.5, 2.5, 3]) screen.draw({ ...picture, seconds });
  });
  assert.deepEqual(text.split("\n"), [
    "demo: set-top 21 has stopped (81 to 86)",
    "demo: 1 s: one epoch 3; settop11 700, stranger nothing; 3 live, 1 closed, 2 denied",
    "demo: 3 s: one epoch 3; settop11 700, stranger nothing; 3 live, 1 closed, 2 denied",
    "",
  ]);
});
