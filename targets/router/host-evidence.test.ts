import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { instant } from "../../core/base/time.ts";
import type { MembershipChange } from "../../core/control/messages.ts";
import type { HostMembership } from "../../core/igmp/host-table.ts";
import type { Link } from "../../core/ports/links.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { createLogger } from "../shared/log.ts";
import { HostEvidence } from "./host-evidence.ts";

const LINK: Link = { name: "iptv", index: 5, up: true, addresses: [], ports: [], vlan: 30 };

test("the VLAN of a host is told: that of its frames, and of whom no tap has heard, the interface's", () => {
  const told: MembershipChange[] = [];
  const evidence = new HostEvidence({
    clock: new SimulatedClock(),
    links: {
      get: () => undefined,
      list: () => [],
      changes: () => () => {},
      watch: () => () => {},
      neighbour: () => undefined,
    },
    linkOf: (name) => (name === "iptv" ? LINK : undefined),
    log: createLogger({ level: "silent", format: "json", toStderr: true }, "router", "r"),
    membershipReports: { add: (change) => void told.push(change), refused() {} },
  });
  const host = { port: "", mac: "02:00:00:00:00:09", address: address("10.30.0.11") };
  const membership = (more: object): HostMembership => ({
    host: { ...host, ...more },
    group: address("239.1.1.1"),
    filter: { mode: "exclude", sources: [] },
    since: instant(0),
    lastSeen: instant(0),
    exact: true,
    message: "v3Report",
  });
  for (const [name, more] of [
    ["iptv", {}],
    ["iptv", { port: "lan1", vlan: 20 }],
    ["lan0", {}],
  ] as const)
    evidence.changed({ kind: "joined", number: 71, name, membership: membership(more) });
  assert.deepEqual(
    told.map(({ vlan }) => vlan),
    [30, 20, undefined],
  );
});
