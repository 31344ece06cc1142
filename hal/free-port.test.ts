import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { freeTcpPort } from "./free-port.testkit.ts";

const TIME_WAIT = "06";

test("a port for a program that a test starts: the kernel gives it to nobody else meanwhile", async () => {
  const port = await freeTcpPort();
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const states = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, address]) => address === local)
    .map(([, , , state]) => state);
  assert.deepEqual(states, [TIME_WAIT]);
});
