// Test support: senders and listeners on the far ends of the cables around a router under test, by raw UDP sockets.
import type { Socket } from "raw-socket";
import { writeUint16 } from "../../core/base/bytes.ts";
import { internetChecksum } from "../../core/base/checksum.ts";
import { formatIpv4, type Ipv4, readIpv4, writeIpv4 } from "../../core/base/ipv4.ts";
import type { Forwarding } from "../../core/ports/forwarding.ts";
import { loadRawSocket } from "../native.ts";
import {
  groupOnInterface,
  IP_ADD_MEMBERSHIP,
  IP_HDRINCL,
  IP_MULTICAST_LOOP,
  IPPROTO_IP,
  int32,
  interfaceIndex,
  SO_BINDTODEVICE,
  SOL_SOCKET,
} from "../socket-options.ts";
import type { ForwardingBench } from "./contract.testkit.ts";

const UDP = 17;
const HEADERS = 28;
const DESTINATION = 16;

/** The far end of "rt<n>" is "rt<n+1>". */
const peerOf = (name: string): string => `rt${Number(name.slice(2)) + 1}`;

export async function linuxBench(
  interfaces: readonly [string, string, string],
  source: Ipv4,
  group: Ipv4,
  forwarding: Forwarding,
  until: (condition: () => boolean) => Promise<boolean>,
) {
  const raw = await loadRawSocket("test");
  const ends = new Map<string, { socket: Socket; texts: string[] }>();
  for (const name of interfaces) {
    const socket = raw.createSocket({ protocol: UDP });
    const peer = peerOf(name);
    socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${peer}\0`), peer.length + 1);
    socket.setOption(IPPROTO_IP, IP_HDRINCL, int32(1), 4);
    socket.setOption(IPPROTO_IP, IP_MULTICAST_LOOP, int32(0), 4);
    socket.setOption(IPPROTO_IP, IP_ADD_MEMBERSHIP, groupOnInterface(group, interfaceIndex(peer) ?? 0), 12);
    const texts: string[] = [];
    socket.on("message", (packet) => texts.push(packet.toString("latin1", HEADERS)));
    ends.set(name, { socket, texts });
  }
  /** Calls `sent` when it has left, before the event loop reads what came of it. */
  const inject = (on: string, packet: Buffer, sent = (): void => {}): void => {
    ends.get(on)?.socket.send(packet, 0, packet.length, formatIpv4(readIpv4(packet, DESTINATION)), sent);
  };
  const open = async (): Promise<ForwardingBench> => {
    for (const { texts } of ends.values()) texts.length = 0;
    const injectText = (on: string, text: string, from = source): void => inject(on, datagram(from, group, text));
    return {
      forwarding,
      interfaces,
      source,
      group,
      inject: injectText,
      left: (on) => ends.get(on)?.texts ?? [],
      until,
    };
  };
  const close = (): void => {
    for (const { socket } of ends.values()) socket.close();
  };
  return { open, close, inject };
}

/** IPv4 and UDP to port 5000, TTL 8, without UDP checksum. */
export function datagram(source: Ipv4, group: Ipv4, text: string): Buffer {
  const packet = Buffer.alloc(HEADERS + text.length);
  packet.set([0x45, 0, 0, 0, 0, 0, 0, 0, 8, UDP]);
  writeUint16(packet, 2, packet.length);
  writeIpv4(packet, 12, source);
  writeIpv4(packet, 16, group);
  writeUint16(packet, 10, internetChecksum(packet, 0, 20));
  writeUint16(packet, 20, 5000);
  writeUint16(packet, 22, 5000);
  writeUint16(packet, 24, 8 + text.length);
  packet.write(text, HEADERS, "latin1");
  return packet;
}
