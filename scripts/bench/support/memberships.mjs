// A router interface with many members: five hosts a group, four groups a host. As a program, `memberships.mjs COUNT` keeps so many and
// ends, so that its memory can be measured.

import { ipv4 } from "../../../build/core/base/ipv4.js";
import { instant } from "../../../build/core/base/time.js";
import { reportLength, writeReport } from "../../../build/core/igmp/messages/report.js";
import { RouterInterface } from "../../../build/core/igmp/router-interface.js";
import { IGMP } from "../../../build/core/igmp/wire.js";

const GROUPS = 0xefc00000;
const HOSTS = 0x0a000002;

/** The interface, up since 0, without limits that matter here. */
function emptyInterface() {
  const machine = new RouterInterface(IGMP, {
    maxGroups: 65_536,
    maxHostMemberships: 1_000_000,
    joinsPerSecond: 10_000,
    newHostsPerMinute: Number.POSITIVE_INFINITY,
  });
  machine.receive(instant(0), { kind: "up", address: ipv4(0x0a000001) });
  return machine;
}

/**
 * Event of the membership with this number: four of each host, five hosts in each group.
 * @param {number} number
 * @param {import("../../../core/igmp/messages/report.ts").RecordType} type
 */
export function statementOf(number, type) {
  const host = Math.floor(number / 4);
  const group = ipv4(GROUPS + (number % 4) * 0x4000 + Math.floor(host / 5));
  const records = [{ type, group, sources: [] }];
  const bytes = writeReport(new Uint8Array(reportLength(records)), ipv4(HOSTS + host), records);
  const mac = `02:00:00:${[16, 8, 0].map((shift) => ((host >> shift) & 255).toString(16).padStart(2, "0")).join(":")}`;
  return /** @type {const} */ ({ kind: "packet", bytes, mac });
}

/** As many members, who joined a millisecond apart. @param {number} count */
export function filledInterface(count) {
  const machine = emptyInterface();
  for (let i = 0; i < count; i++) machine.receive(instant(i), statementOf(i, "to-ex"));
  if (machine.hosts().length !== count) throw new Error(`${machine.hosts().length} of ${count} memberships`);
  return machine;
}

if (process.argv[1] === import.meta.filename) {
  const machine = filledInterface(Number(process.argv[2]));
  if (machine.nextDeadline() === undefined) throw new Error("nothing is kept");
}
