// What every IgmpSockets driver must do; the drivers' tests run it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, toHex } from "../../core/base/bytes.ts";
import { address } from "../../core/base/ipv4.ts";
import { reportLength, writeReport } from "../../core/igmp/messages/report.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../../core/igmp/messages/v1-v2-message.ts";
import type { HalError } from "../../core/ports/errors.ts";
import type { IgmpSockets } from "../../core/ports/igmp-socket.ts";

export interface IgmpBench {
  readonly sockets: IgmpSockets;
  /** The interface under test, and its peer on the same link. */
  readonly here: string;
  readonly peer: string;
  /** Where the peer's socket is opened: the same driver on the other end. */
  readonly peerSockets: IgmpSockets;
  until(condition: () => boolean): Promise<boolean>;
  /** Takes the interface under test away. */
  removeHere(): void;
}

interface Vector {
  readonly name: string;
  readonly hex: string;
}

class HeardPackets {
  readonly packets: string[] = [];
  readonly failures: string[] = [];

  packet(packet: Uint8Array): void {
    this.packets.push(toHex(packet));
  }

  failed(error: HalError): void {
    this.failures.push(error.code);
  }
}

/** Who sends the vectors. */
export const PEER = address("10.9.1.2");
const GROUP = address("239.255.77.1");
const v1v2 = (kind: "v2Report" | "leave") => toHex(writeV1V2Message(new Uint8Array(V1_V2_LENGTH), PEER, kind, GROUP));
const records = [{ type: "to-ex", group: GROUP, sources: [] }] as const;
/** Whole IPv4 packets: to 224.0.0.22, to the group, to 224.0.0.2. */
const vectors: readonly Vector[] = [
  { name: "a v3 report", hex: toHex(writeReport(new Uint8Array(reportLength(records)), PEER, records)) },
  { name: "a v2 report for a group nobody joined", hex: v1v2("v2Report") },
  { name: "a v2 leave", hex: v1v2("leave") },
];

export function igmpContract(name: string, bench: () => IgmpBench): void {
  const packetOf = ({ hex }: Vector): Uint8Array => fromHex(hex) ?? new Uint8Array(0);

  for (const vector of vectors)
    test(`${name}: hears ${vector.name} from the link, octet for octet`, async () => {
      const { sockets, peerSockets, here, peer, until } = bench();
      const listener = new HeardPackets();
      const listening = sockets.open(here, listener);
      const speaking = peerSockets.open(peer, new HeardPackets());
      speaking.send(packetOf(vector));
      await until(() => listener.packets.some((hex) => sameMessage(hex, vector.hex)));
      assert.ok(
        listener.packets.some((hex) => sameMessage(hex, vector.hex)),
        `heard ${listener.packets.join(" ")}`,
      );
      listening.close();
      speaking.close();
    });

  test(`${name}: does not hear what it sent itself`, async () => {
    const { sockets, peerSockets, here, peer, until } = bench();
    const [own, other] = [new HeardPackets(), new HeardPackets()];
    const listening = sockets.open(here, own);
    const far = peerSockets.open(peer, other);
    const [vector] = vectors;
    assert.ok(vector !== undefined);
    listening.send(packetOf(vector));
    await until(() => other.packets.some((hex) => sameMessage(hex, vector.hex)));
    assert.ok(other.packets.some((hex) => sameMessage(hex, vector.hex)));
    assert.equal(
      own.packets.some((hex) => sameMessage(hex, vector.hex)),
      false,
    );
    listening.close();
    far.close();
  });

  test(`${name}: an interface that is not there is igmp.no-interface`, () => {
    assert.throws(() => bench().sockets.open("rt-none", new HeardPackets()), { code: "igmp.no-interface" });
  });

  test(`${name}: closing twice and sending after it are harmless`, () => {
    const { sockets, here } = bench();
    const socket = sockets.open(here, new HeardPackets());
    socket.close();
    socket.close();
    socket.send(new Uint8Array(32));
  });

  test(`${name}: an interface that goes away is told once, at the latest when something is sent`, async () => {
    const { sockets, here, until, removeHere } = bench();
    const listener = new HeardPackets();
    const socket = sockets.open(here, listener);
    removeHere();
    for (const vector of vectors) socket.send(packetOf(vector));
    await until(() => listener.failures.length > 0);
    assert.deepEqual(listener.failures, ["igmp.failed"]);
  });
}

// The kernel fills the identification and the header checksum under IP_HDRINCL: the rest must be equal.
const sameMessage = (heard: string, sent: string): boolean =>
  heard.slice(0, 8) === sent.slice(0, 8) && heard.slice(24) === sent.slice(24);
