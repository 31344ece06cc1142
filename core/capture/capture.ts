// Captures as tcpdump and Wireshark write them: which format it is, and the reader for it.
import { readUint32 } from "../base/bytes.ts";
import type { CapturedPacket, CaptureFault } from "./captured-packet.ts";
import { isPcap, readPcap } from "./pcap.ts";
import { readPcapng } from "./pcapng.ts";

const PCAPNG_SECTION = 0x0a0d0d0a;

/** The packets in file order; a fault comes last and ends it: what is whole before it still counts. */
export function* readCapture(file: Uint8Array): Generator<CapturedPacket | CaptureFault, void> {
  if (file.length < 4) yield "capture.format";
  else if (readUint32(file, 0) === PCAPNG_SECTION) yield* readPcapng(file);
  else if (isPcap(file)) yield* readPcap(file);
  else yield "capture.format";
}
