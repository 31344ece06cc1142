// Seeded mutations of good packets and frames: accepted and readable, or dropped by a known name; nothing throws.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { hex } from "../base/bytes.testkit.ts";
import { checkFrame, type FrameDrop } from "../base/ethernet.ts";
import { fuzz } from "../base/fuzz.testkit.ts";
import { replayIgmp } from "../capture/replay.testkit.ts";
import { filterOf } from "./filter.ts";
import { MulticastHost } from "./host/host.ts";
import { address, at, sources, vectorFile } from "./igmp.testkit.ts";
import { checkPacket, groupOf, type IgmpDrop, type IgmpPacket, senderOf } from "./messages/packet.ts";
import { readQuery } from "./messages/query.ts";
import { type ReportRecord, recordsOf } from "./messages/report.ts";
import { mutate, pick, repair } from "./mutation.testkit.ts";
import { RouterInterface } from "./router-interface.ts";
import { IGMP } from "./wire.ts";

/** Of one pass. */
const ROUNDS = 20_000;

const IGMP_DROPS = new Set<IgmpDrop>([
  "ip.truncated",
  "ip.version",
  "ip.header-length",
  "ip.total-length",
  "ip.not-igmp",
  "ip.checksum",
  "ip.fragment",
  "ip.source",
  "igmp.truncated",
  "igmp.checksum",
  "igmp.unknown-type",
  "igmp.query-length",
  "igmp.query-truncated",
  "igmp.query-sources",
  "igmp.record-truncated",
  "igmp.group-not-multicast",
]);
const FRAME_DROPS = new Set<FrameDrop>(["frame.truncated", "frame.too-many-tags", "frame.not-ipv4", "frame.source"]);

const packets = vectorFile<{ hex: string }[]>("packets.json").map((vector) => hex(vector.hex));
const frames = vectorFile<{ hex: string }[]>("frames.json").map((vector) => hex(vector.hex));

/** Reads everything there is; undefined or NaN anywhere would be a gate that let too much through. */
function readAll(packet: IgmpPacket): void {
  assert.ok(senderOf(packet) >= 0 && groupOf(packet) >= 0);
  if (packet.kind.endsWith("Query")) {
    const { maxResponse, queryInterval, sources } = readQuery(packet);
    assert.ok(Number.isFinite(maxResponse) && Number.isFinite(queryInterval) && sources.length <= 16_381);
  }
  if (packet.kind !== "v3Report") return;
  let size = 8;
  for (const { sources } of recordsOf(packet)) size += 8 + 4 * sources.length;
  assert.ok(size <= packet.end - packet.start);
}

fuzz(
  "the packet gate, half of the mutations with repaired checksums",
  { seed: 3376, rounds: ROUNDS },
  ({ below, rounds }) => {
    let read = 0;
    for (let round = 0; round < rounds; round++) {
      const bytes = mutate(pick(packets, below), below);
      if (round % 2 === 0) repair(bytes);
      const packet = checkPacket(bytes);
      if (typeof packet === "string") assert.ok(IGMP_DROPS.has(packet), packet);
      else {
        read++;
        readAll(packet);
      }
    }
    assert.ok(read > rounds / 10, `${read} were accepted`);
  },
);

fuzz("the frame gate", { seed: 8021, rounds: ROUNDS }, ({ below, rounds }) => {
  for (let round = 0; round < rounds; round++) {
    const frame = checkFrame(mutate(pick(frames, below), below));
    if (typeof frame === "string") assert.ok(FRAME_DROPS.has(frame), frame);
    else assert.match(frame.mac, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
  }
});

fuzz(
  "a router interface hears mutated packets and frames: it stays within its limits and never throws",
  { seed: 4605, rounds: ROUNDS },
  ({ below, rounds }) => {
    const machine = new RouterInterface(IGMP, {
      maxGroups: 20,
      maxSourcesPerGroup: 8,
      maxHostMemberships: 30,
    });
    let now = at(0);
    machine.receive(now, { kind: "up", address: address("10.0.0.1") });
    for (let round = 0; round < rounds; round++) {
      const bytes = mutate(pick(packets, below), below);
      repair(bytes);
      now = at(round / 50);
      machine.receive(now, { kind: "packet", bytes });
      if (round % 5 === 0)
        machine.receive(now, { kind: "frame", port: "p", bytes: mutate(pick(frames, below), below) });
      assert.ok((machine.nextDeadline() ?? now) > now, "what is due has been done");
    }
    assert.ok(machine.groups(now).length <= 20);
    assert.ok(machine.hosts().length <= 30);
    assert.ok(machine.groups(now).every((group) => group.filter.sources.length <= 8));
  },
);

fuzz(
  "a host hears mutated packets while its groups change: what it sends passes the gate",
  { seed: 2236, rounds: ROUNDS },
  ({ below, entropy, rounds }) => {
    const host = new MulticastHost(IGMP, entropy, { maxGroups: 10 });
    host.receive(at(0), { kind: "up", address: address("10.0.0.9") });
    let sent = 0;
    for (let round = 0; round < rounds; round++) {
      const bytes = mutate(pick(packets, below), below);
      repair(bytes);
      const now = at(round / 50);
      const filter = filterOf(
        below(2) === 0 ? "include" : "exclude",
        sources(...Array.from({ length: below(4) }, () => below(9))),
      );
      const effects = [
        ...host.receive(now, { kind: "packet", bytes }),
        ...(round % 40 === 0
          ? host.receive(now, { kind: "want", group: address(`239.1.1.${below(12)}`), filter })
          : []),
      ];
      for (const effect of effects) {
        if (effect.kind !== "send") continue;
        sent++;
        assert.notEqual(typeof checkPacket(effect.packet), "string");
      }
      assert.ok((host.nextDeadline() ?? now) >= now);
    }
    assert.ok(sent > 100);
    // When the link comes back it tells every group it holds.
    host.receive(at(rounds), { kind: "down" });
    const told = host.receive(at(rounds), { kind: "up", address: address("10.0.0.9") });
    const groups = told.flatMap((effect) => (effect.kind === "send" ? recordsIn(effect.packet) : []));
    assert.ok(groups.length > 0 && groups.length <= 10, `${groups.length} groups`);
  },
);

function recordsIn(bytes: Uint8Array): readonly ReportRecord[] {
  const packet = checkPacket(bytes);
  assert.ok(typeof packet !== "string");
  return [...recordsOf(packet)];
}

fuzz(
  "mutated captures are replayed to their end, times out of all range included",
  { seed: 1071, rounds: ROUNDS / 10 },
  ({ below, rounds }) => {
    const captures = ["core/igmp/vectors/kernel-v3.pcap", "core/capture/vectors/kernel-v2.pcapng"].map(
      (path) => new Uint8Array(readFileSync(path)),
    );
    for (let round = 0; round < rounds; round++) {
      const file = mutate(pick(captures, below), below);
      const {
        packets: count,
        igmp,
        timeline,
      } = replayIgmp(file, round % 50 === 0 ? { address: address("10.99.0.1") } : {});
      assert.ok(igmp <= count && timeline.every((event, i) => event.at >= (timeline[i - 1]?.at ?? 0)));
    }
  },
);
