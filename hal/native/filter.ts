// Classic BPF (linux/filter.h) for our sockets: what they need not hear never takes room in their queues.
import { writeNative16, writeNative32 } from "../socket-options.ts";
import { PACKET_TYPE } from "./packet-socket.ts";

const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const LOAD_OCTET = 0x30;
const IS = 0x15;
const IS_GREATER = 0x25;
const IS_AT_LEAST = 0x35;
const RETURN = 0x06;

/** SKF_AD_*: what the kernel knows beside the packet. */
const BESIDE = 0x1_0000_0000 - 0x1000;
const INTERFACE = BESIDE + 8;
const TYPE = BESIDE + 4;

const WHOLE = 0x40000;
const INSTRUCTION = 8;

const IGMP = 2;
const PIM = 103;
const IPV4 = 0x0800;
const IP_PROTOCOL = 9;
const IP_SOURCE = 12;
const IP_DESTINATION = 16;
/** 224.0.1.0 to 239.255.255.255: what a router forwards. */
const FIRST_GROUP = 0xe000_0100;
const LAST_GROUP = 0xefff_ffff;
const ETHER_TYPE = 12;
const ETHERNET = 14;
const TAG = 4;
const DOT1Q = 0x8100;
const DOT1AD = 0x88a8;

/** Code, jump when true, jump when false (instructions to pass over), operand. */
type Instruction = readonly [code: number, yes: number, no: number, operand: number];

function assemble(program: readonly Instruction[]): Uint8Array {
  const octets = Buffer.alloc(program.length * INSTRUCTION);
  for (const [i, [code, yes, no, operand]] of program.entries()) {
    writeNative16(octets, i * INSTRUCTION, code);
    octets.set([yes, no], i * INSTRUCTION + 2);
    writeNative32(octets, i * INSTRUCTION + 4, operand);
  }
  return octets;
}

/** A load, and what holds of it: a jump that is taken when it does, or when it does not. */
interface Condition {
  readonly load: number;
  readonly at: number;
  readonly jump: number;
  readonly operand: number;
  readonly holds: boolean;
}

const is = (load: number, at: number, operand: number): Condition => ({ load, at, jump: IS, operand, holds: true });
const isNot = (load: number, at: number, operand: number): Condition => ({ ...is(load, at, operand), holds: false });
const atMost = (at: number, operand: number): Condition => ({
  load: LOAD_WORD,
  at,
  jump: IS_GREATER,
  operand,
  holds: false,
});
const atLeast = (at: number, operand: number): Condition => ({
  ...atMost(at, operand),
  jump: IS_AT_LEAST,
  holds: true,
});

/** The whole packet where every condition holds, else nothing of it. */
function whereAll(...conditions: readonly Condition[]): Uint8Array {
  const instructions = conditions.flatMap(({ load, at, jump, operand, holds }, i): Instruction[] => {
    const out = 2 * (conditions.length - i) - 1;
    return [[load, 0, 0, at], holds ? [jump, 0, out, operand] : [jump, out, 0, operand]];
  });
  return assemble([...instructions, [RETURN, 0, 0, WHOLE], [RETURN, 0, 0, 0]]);
}

/** For a socket that is to hear nothing. */
export const NOTHING = assemble([[RETURN, 0, 0, 0]]);

/** Of a raw socket that routes multicast only the kernel's own messages (struct igmpmsg): where IP has its protocol they have 0. */
export const UPCALLS = whereAll(is(LOAD_OCTET, IP_PROTOCOL, 0));

/**
 * What came in on the interface of this index itself, and not for somebody else. A socket bound to eth0 would hear what is for the VLAN
 * eth0.10 or a macvlan above it too: the kernel looks where a packet came in first.
 */
const cameInOn = (index: number): readonly Condition[] => [
  is(LOAD_WORD, INTERFACE, index),
  atMost(TYPE, PACKET_TYPE.multicast),
];

/** IGMP that came in on the interface of this index itself, for an AF_PACKET socket of SOCK_DGRAM. */
export const igmpOf = (index: number): Uint8Array => whereAll(...cameInOn(index), is(LOAD_OCTET, IP_PROTOCOL, IGMP));

/** Multicast other than IGMP that a router forwards and that came in on the interface of this index itself; for SOCK_DGRAM. */
export const streamsOf = (index: number): Uint8Array =>
  whereAll(
    is(LOAD_WORD, INTERFACE, index),
    is(LOAD_WORD, TYPE, PACKET_TYPE.multicast),
    isNot(LOAD_OCTET, IP_PROTOCOL, IGMP),
    atLeast(IP_DESTINATION, FIRST_GROUP),
    atMost(IP_DESTINATION, LAST_GROUP),
  );

/** IPv4 from one address to one group that came in on the interface of this index itself, for an AF_PACKET socket of SOCK_DGRAM. */
export const sentTo = (index: number, source: number, group: number): Uint8Array =>
  whereAll(...cameInOn(index), is(LOAD_WORD, IP_SOURCE, source), is(LOAD_WORD, IP_DESTINATION, group));

/** Frames that carry IGMP or PIM inwards, through at most one tag besides the one that the kernel took out; for SOCK_RAW. */
export const IGMP_FRAMES = assemble([
  [LOAD_WORD, 0, 0, TYPE],
  [IS_GREATER, 13, 0, PACKET_TYPE.otherHost],
  [LOAD_HALF, 0, 0, ETHER_TYPE],
  [IS, 4, 0, IPV4],
  [IS, 1, 0, DOT1Q],
  [IS, 0, 9, DOT1AD],
  [LOAD_HALF, 0, 0, ETHER_TYPE + TAG],
  [IS, 3, 7, IPV4],
  [LOAD_OCTET, 0, 0, ETHERNET + IP_PROTOCOL],
  [IS, 4, 0, IGMP],
  [IS, 3, 4, PIM],
  [LOAD_OCTET, 0, 0, ETHERNET + TAG + IP_PROTOCOL],
  [IS, 1, 0, IGMP],
  [IS, 0, 1, PIM],
  [RETURN, 0, 0, WHOLE],
  [RETURN, 0, 0, 0],
]);
