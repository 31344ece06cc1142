// A router interface with a clock, whose effects are lines of text.

import assert from "node:assert/strict";
import { address, formatIpv4 } from "../base/ipv4.ts";
import type { Instant } from "../base/time.ts";
import { at, report } from "./igmp.testkit.ts";
import type { LinkFacts, RouterInterfaceEffect, RouterInterfaceOptions } from "./interface-events.ts";
import type { PortLan } from "./messages/lan-frame.ts";
import { checkPacket } from "./messages/packet.ts";
import { readQuery } from "./messages/query.ts";
import { RouterInterface } from "./router-interface.ts";
import { IGMP } from "./wire.ts";

export const OURS = "10.0.0.5";
export const GROUP = "239.1.1.1";
export const SSM = "232.1.1.1";

/** One effect as a line: "query 239.1.1.1 S {1 2}", "239.1.1.1 exclude {}", "10.0.0.9 joined 239.1.1.1". */
export function line(effect: RouterInterfaceEffect): string[] {
  switch (effect.kind) {
    case "heard":
      return [];
    case "send": {
      const packet = checkPacket(effect.packet);
      if (typeof packet === "string") assert.fail(packet);
      const { version, group, suppress, sources } = readQuery(packet);
      const about = sources.length === 0 ? "" : ` {${names(sources)}}`;
      return [`v${version} query ${formatIpv4(group)}${suppress ? " S" : ""}${about}`];
    }
    case "membership":
      return [`${formatIpv4(effect.group)} ${effect.filter.mode} {${names(effect.filter.sources)}}`];
    case "host-joined":
      return [`${who(effect)} joined ${formatIpv4(effect.membership.group)}`];
    case "host-left":
      return [`${who(effect)} ${effect.cause} ${formatIpv4(effect.membership.group)}`];
    case "querier":
      return [effect.ours ? "we ask" : `${asker(effect)} asks`];
    case "query-refused":
      return [`refused ${effect.reason} ${formatIpv4(effect.address)}`];
    case "older-querier":
      return [`v${effect.version} querier ${formatIpv4(effect.address)}`];
    case "drop":
      return [`drop ${effect.reason}`];
  }
}

const asker = ({ address: from, mac, port }: Extract<RouterInterfaceEffect, { kind: "querier" }>): string =>
  from === undefined ? "nobody" : [formatIpv4(from), mac, port].filter((part) => part !== "").join("/");

const names = (list: readonly number[]): string => list.map((a) => a & 255).join(" ");

const who = ({ membership: { host } }: Extract<RouterInterfaceEffect, { membership: unknown }>): string =>
  [formatIpv4(host.address), host.mac, host.port, host.vlan ?? ""].filter((part) => part !== "").join("/");

/** A machine with a clock: every step gives the lines of its effects. */
export class Bench {
  readonly machine: RouterInterface;
  now: Instant = at(0);

  constructor(options: RouterInterfaceOptions = {}, ours = OURS) {
    this.machine = new RouterInterface(IGMP, options);
    this.machine.receive(this.now, { kind: "up", address: address(ours) });
  }

  hear(bytes: Uint8Array, mac = ""): string[] {
    return this.machine.receive(this.now, { kind: "packet", bytes, mac }).flatMap(line);
  }

  frame(bytes: Uint8Array, port: string, vouched = false, lan?: PortLan): string[] {
    const frame = { bytes, port, vouched, ...(lan === undefined ? {} : { lan }) };
    return this.machine.receive(this.now, { kind: "frame", ...frame }).flatMap(line);
  }

  /** Runs to `s` seconds; each line with its time. */
  until(s: number): string[] {
    const lines: string[] = [];
    for (;;) {
      const due = this.machine.nextDeadline();
      if (due === undefined || due > at(s)) break;
      assert.ok(due >= this.now, "a deadline in the past");
      this.now = due;
      lines.push(...this.machine.poll(due).flatMap((effect) => line(effect).map((text) => `${due / 1000} ${text}`)));
    }
    this.now = at(s);
    return lines;
  }
}

export const join = (from = "10.0.0.9", group = GROUP): Uint8Array => report(from, ["to-ex", group]);
export const leave = (from = "10.0.0.9", group = GROUP): Uint8Array => report(from, ["to-in", group]);

export const down = (bench: Bench): string[] => bench.machine.receive(bench.now, { kind: "down" }).flatMap(line);
export const up = (bench: Bench, more: Partial<LinkFacts> = {}, text = OURS): string[] =>
  bench.machine.receive(bench.now, { kind: "up", address: address(text), ...more }).flatMap(line);

/** A subnet, and the whole of what may be said of who asks there. */
export const GUARDED = { addresses: [{ address: address(OURS), prefixLength: 24 }] };
export const LOWER = "10.0.0.1";

export function guarded(options: RouterInterfaceOptions = {}, link: Partial<LinkFacts> = GUARDED): Bench {
  const bench = new Bench(options);
  up(bench, link);
  return bench;
}

export const groupsOf = (bench: Bench): number => bench.machine.groups(bench.now).length;
