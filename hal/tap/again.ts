// What both drivers of taps say when a tap cannot be, and when they try again.
import { readFileSync } from "node:fs";
import type { Schedule } from "../../core/base/backoff.ts";
import { milliseconds, minutes, seconds } from "../../core/base/time.ts";
import { HalError } from "../../core/ports/errors.ts";

const IFF_UP = 1;

/** A tap that listened for a minute was in order; one that ends sooner is opened again ever more seldom. */
export const AGAIN: Schedule = {
  first: milliseconds(250),
  ceiling: seconds(30),
  range: (span) => ({ from: milliseconds(span / 2), to: span }),
  lasting: minutes(1),
};

/** The administrator's word, not the carrier's. */
export function isUp(device: string): boolean {
  try {
    return (Number(readFileSync(`/sys/class/net/${device}/flags`, "latin1")) & IFF_UP) !== 0;
  } catch {
    return false;
  }
}

/** ": " and the cause's words, "" when there are none. */
const because = (cause: unknown): string => {
  const said = cause instanceof Error ? cause.message : String(cause ?? "");
  return said === "" ? "" : `: ${said}`;
};

/** "tap.no-interface". */
export const noTap = (name: string): HalError =>
  new HalError("tap.no-interface", `${name} is not there, or down`, { needs: `${name} to be up` });

/** "tap.permission". */
export const notPermitted = (name: string, cause: unknown): HalError =>
  new HalError("tap.permission", `capturing on ${name} is not permitted${because(cause)}`, {
    cause,
    needs: "root, or CAP_NET_RAW",
    alternative: "run without taps (`taps: false`)",
  });

/** "tap.open-failed". */
export const openFailed = (name: string, cause: unknown): HalError =>
  new HalError("tap.open-failed", `cannot capture on ${name}${because(cause)}`, {
    cause,
    needs: "free file descriptors and memory, and for the driver `cap` a libpcap that can capture there",
    alternative: "run without taps (`taps: false`)",
  });
