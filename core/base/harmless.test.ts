import assert from "node:assert/strict";
import { test } from "node:test";
import { harmless } from "./harmless.ts";

test("plain text stays as it is, in any script", () => {
  for (const text of ["box-1", "Wohnzimmer Süd", "居間", "\u{1f4fa}"]) assert.equal(harmless(text, 64), text);
});

test("what moves a cursor, rings, hides, turns round or breaks a line is written out", () => {
  assert.equal(harmless("a\u001b[2Jb", 64), "a\\u{1b}[2Jb");
  assert.equal(harmless("\u009b31m\u007f\r\n", 64), "\\u{9b}31m\\u{7f}\\u{d}\\u{a}");
  assert.equal(harmless("\u202egnp\u200b\u2028\ud800", 64), "\\u{202e}gnp\\u{200b}\\u{2028}\\u{d800}");
});

test("long text is cut, and says so; a character of two halves counts once", () => {
  assert.equal(harmless("x".repeat(65), 64), `${"x".repeat(64)}…`);
  assert.equal(harmless("x".repeat(64), 64), "x".repeat(64));
  assert.equal(harmless("\u{1f4fa}".repeat(5), 4), `${"\u{1f4fa}".repeat(4)}…`);
});
