import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { readNative16 } from "../socket-options.ts";
import { deleteEntry, type MdbEntry, newEntry, newRefusal } from "./mdb-message.ts";

/** In struct br_mdb_entry, behind struct nlmsghdr, struct br_port_msg and struct nlattr (linux/if_bridge.h). */
const VLAN = 16 + 8 + 4 + 6;

test("what is added, refused, left and taken out is of the VLAN that it names, or of no single one", () => {
  for (const vlan of [undefined, 10, 4094]) {
    const entry: MdbEntry = { bridge: 3, port: 4, group: address("239.1.1.1"), source: undefined, vlan };
    const messages = [
      newEntry(1, entry, "full", "permanent"),
      newEntry(2, entry, "plain", "temporary"),
      newRefusal(3, entry),
      deleteEntry(4, entry),
    ];
    assert.deepEqual(
      messages.map((octets) => readNative16(octets, VLAN)),
      messages.map(() => vlan ?? 0),
    );
  }
});
