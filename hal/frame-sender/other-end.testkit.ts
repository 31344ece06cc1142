// Test support: what comes out of the other end of a cable, frame by frame.
import { toHex } from "../../core/base/bytes.ts";
import { PACKET_ROW, SENDER_OCTETS, succeeded } from "../native/sockets.ts";
import { loadSockets } from "../native.ts";
import { interfaceIndex, writeNative16, writeNative32 } from "../socket-options.ts";

const SLOT = 2048;
const ETH_P_ALL = 3;
const [AF_PACKET, SOCK_RAW] = [17, 3];
const SENDER = 6;
const MAC_LENGTH = 6;

export interface OtherEnd {
  /** Everything so far from that sender, in hexadecimal. */
  readonly look: () => readonly string[];
  readonly close: () => void;
}

/** Hears `interfaceName` from now on, of all frames those of the sender with this MAC, six octets. */
export async function otherEnd(interfaceName: string, sender: readonly number[]): Promise<OtherEnd> {
  const sockets = await loadSockets("test");
  const fd = succeeded("socket", sockets.socket(AF_PACKET, SOCK_RAW, 0));
  const from = Buffer.alloc(20);
  writeNative16(from, 0, AF_PACKET);
  from.writeUInt16BE(ETH_P_ALL, 2);
  writeNative32(from, 4, interfaceIndex(interfaceName) ?? 0);
  succeeded("bind", sockets.bind(fd, from));
  const slot = new Uint8Array(SLOT);
  const row = new Int32Array(PACKET_ROW.length);
  const address = new Uint8Array(SENDER_OCTETS);
  const heard: string[] = [];
  const look = (): readonly string[] => {
    while (sockets.receive(fd, slot, SLOT, row, address, 0) > 0) {
      const frame = slot.subarray(0, row[PACKET_ROW.octets]);
      if (toHex(frame.subarray(SENDER, SENDER + MAC_LENGTH)) === toHex(Uint8Array.from(sender)))
        heard.push(toHex(frame));
    }
    return heard;
  };
  return { look, close: () => void sockets.close(fd) };
}
