import assert from "node:assert/strict";
import { test } from "node:test";
import type { Link } from "../../core/ports/links.ts";
import { createLogger } from "../shared/log.ts";
import { QuerierDuty } from "./querier-duty.ts";

const LOG = createLogger({ level: "silent", format: "json", toStderr: true }, "router", "r");
const LINK: Link = { name: "iptv", index: 5, up: true, addresses: [], ports: ["lan1"], vlan: 10, bridge: "br-lan" };

test("while we ask in a VLAN of a bridge, the querier of that bridge is silent", () => {
  const silenced: string[] = [];
  const duty = new QuerierDuty({
    links: {
      get: (name) => (name === "iptv" ? LINK : undefined),
      list: () => [LINK],
      changes: () => () => {},
      watch: () => () => {},
      neighbour: () => undefined,
    },
    log: LOG,
    bridgeQueriers: {
      silence(bridge) {
        silenced.push(bridge);
        return true;
      },
    },
  });
  for (const name of ["iptv", "br-guest"])
    duty.changed({ kind: "querier", name, ours: true, address: undefined, port: "", mac: "" });
  assert.deepEqual(silenced, ["br-lan", "br-guest"]);
});
