// The child process of the cap driver: captures IGMP frames and writes them to standard output. It may die; the parent starts it again.
import { closeSync, readdirSync, readlinkSync } from "node:fs";
import { HalError } from "../../core/ports/errors.ts";
import { loadCapture } from "../native.ts";
import { interfaceIndex } from "../socket-options.ts";
import { isUp } from "./again.ts";

/** The first argument by which a bundle knows that it is to be this helper: `node bundle.cjs __tap eth1`. */
export const TAP_ARGUMENT = "__tap";

/** Exit codes, by which the parent knows what is missing; the cause's text is on standard error. */
export const TAP_EXIT = { noInterface: 3, native: 4, open: 5, permission: 6 } as const;

/**
 * Only what comes in through the port, tagged or not; we never see our own queries. libpcap (1.10: protocol 0 until it is bound to
 * the interface) hears no other interface. It judges what came before this filter was in the kernel, and always the first frame
 * after that, itself, and cannot tell there what is inbound: that frame is lost, not mistaken.
 */
const FILTER = "inbound and (igmp or ip proto 103 or (vlan and (igmp or ip proto 103)))";
const RING_OCTETS = 1 << 20;
const LARGEST_FRAME = 65535;
/** Octets waiting in the pipe; what exceeds them is dropped, for a parent that does not read must not make us grow. */
const PIPE_LIMIT = 1 << 20;
const DESCRIPTORS = "/proc/self/fd";
/** libpcap's words for EPERM and EACCES: since 1.10.2 "... - CAP_NET_RAW may be required", before that strerror's. */
const NO_PERMISSION = /permission|not permitted|CAP_NET_RAW/i;
/** How often the helper looks whose the name is, in ms: a silent interface gives it no other cause to. */
const LOOK = 1000;

/**
 * Captures on `device` until standard input ends, which it does when the parent is gone, or until the name belongs to another
 * interface: looked up before a frame is told, and every second. Does not return before.
 */
export async function runTapHelper(device: string): Promise<void> {
  closeInheritedSockets();
  const index = interfaceIndex(device);
  // cap aborts the process on an interface that is down.
  if (index === undefined || !isUp(device)) process.exit(TAP_EXIT.noInterface);
  /** The capture stays with the interface when that is renamed, and the parent has only the name. */
  const leaveIfRenamed = (): void => {
    if (interfaceIndex(device) !== index) process.exit(TAP_EXIT.noInterface);
  };
  // cap keeps no reference to the buffer: it must live as long as the capture.
  const buffer = Buffer.alloc(LARGEST_FRAME);
  const { Cap } = await loadCapture("tap").catch(fail);
  const capture = new Cap();
  try {
    capture.open(device, FILTER, RING_OCTETS, buffer);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    process.stderr.write(`${text}\n`);
    process.exit(NO_PERMISSION.test(text) ? TAP_EXIT.permission : TAP_EXIT.open);
  }
  capture.setMinBytes?.(0);
  leaveIfRenamed();
  setInterval(leaveIfRenamed, LOOK);
  capture.on("packet", (length) => {
    leaveIfRenamed();
    write(buffer.subarray(0, Math.min(length, LARGEST_FRAME)));
  });
  write(Buffer.alloc(0));
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once("close", resolve));
  capture.close();
  process.exit(buffer.length === LARGEST_FRAME ? 0 : 1);
}

function fail(error: unknown): never {
  process.stderr.write(`${error instanceof HalError ? String(error.cause) : String(error)}\n`);
  process.exit(TAP_EXIT.native);
}

/**
 * Those of raw-socket are inherited: kept here, the routing socket of a parent that was killed would keep the next one from starting.
 * Node has none of its own but its standard streams.
 */
function closeInheritedSockets(): void {
  for (const fd of readdirSync(DESCRIPTORS).map(Number)) if (fd > 2 && isSocket(fd)) closeSync(fd);
}

function isSocket(fd: number): boolean {
  try {
    return readlinkSync(`${DESCRIPTORS}/${fd}`).startsWith("socket:");
  } catch {
    // The one by which the folder was read.
    return false;
  }
}

/** Length (16 bits, big-endian) and frame; length 0 says that the capture has begun. */
function write(frame: Buffer): void {
  if (process.stdout.writableLength > PIPE_LIMIT) return;
  const record = Buffer.allocUnsafe(2 + frame.length);
  record.writeUInt16BE(frame.length);
  frame.copy(record, 2);
  process.stdout.write(record);
}
