import assert from "node:assert/strict";
import { test } from "node:test";
import { printable, printableShort } from "./printable.ts";

test("plain text stays as it is, in any script", () => {
  for (const text of ["box-1", "Wohnzimmer Süd", "居間", "\u{1f4fa}"]) {
    assert.equal(printable(text), text);
    assert.equal(printableShort(text, 64), text);
  }
});

test("what moves a cursor, rings, hides, turns round or breaks a line is written out", () => {
  assert.equal(printable("a\u001b[2Jb"), "a\\u001b[2Jb");
  assert.equal(printable("\u009b31m\u007f\r\n"), "\\u009b31m\\u007f\\u000d\\u000a");
  assert.equal(printable("\u202egnp\u200b\u2028\ud800"), "\\u202egnp\\u200b\\u2028\\ud800");
  assert.equal(printable("\u{e0041}"), "\\udb40\\udc41");
});

test("long text is cut, and says so; a character of two halves counts once", () => {
  assert.equal(printableShort("x".repeat(65), 64), `${"x".repeat(64)}…`);
  assert.equal(printableShort("x".repeat(64), 64), "x".repeat(64));
  assert.equal(printableShort("\u{1f4fa}".repeat(5), 4), `${"\u{1f4fa}".repeat(4)}…`);
  assert.equal(printableShort("a\u0007b", 3), "a\\u0007b");
});
