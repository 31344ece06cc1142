// What ends the reading of a capture, or keeps packets from it, in words for a person.
import { type CaptureFault, MAX_PACKET } from "../../core/capture/captured-packet.ts";

/** Each a sentence's second half: "the capture ends early: ...". */
export const FAULT_WORDS: Readonly<Record<CaptureFault, string>> = {
  "capture.gzip": "its gzip compression is damaged, or ends before the end of the file",
  "capture.format": "this is no capture: neither pcap nor pcapng, compressed with gzip or not",
  "capture.truncated": "it was cut off in the middle of a packet or block",
  "capture.packet-length": `a packet claims to have more than ${MAX_PACKET} octets: the file is damaged`,
  "capture.block-length": "the lengths of a pcapng block contradict each other: the file is damaged",
  "capture.byte-order": "a pcapng section does not say its byte order: the file is damaged",
  "capture.interface": "a packet is of an interface that the file does not describe: the file is damaged",
  "capture.too-many-interfaces": "it describes more interfaces than can be: the file is damaged",
};

/** Of LINKTYPE_ numbers that people do capture, and that are not read. */
const NAMES: Readonly<Record<number, string>> = {
  10: "FDDI",
  51: "PPPoE without Ethernet",
  119: "802.11 with a Prism header",
  163: "802.11 with an AVS header",
  187: "Bluetooth",
  195: "IEEE 802.15.4",
  201: "Bluetooth",
  220: "USB",
  229: "IPv6",
  239: "NFLOG",
  249: "USB",
  253: "netlink",
};

/** "3 packets of link type 195 (IEEE 802.15.4) were not read". */
export function unreadWords({ linkType, packets }: { readonly linkType: number; readonly packets: number }): string {
  const name = NAMES[linkType] ?? "see tcpdump.org/linktypes.html";
  return `${packets} packet${packets === 1 ? "" : "s"} of link type ${linkType} (${name}) ${packets === 1 ? "was" : "were"} not read`;
}
