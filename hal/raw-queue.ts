// What a raw socket has queued, read at once: without the event loop, before any listener is told.
import type { Socket } from "raw-socket";
import { isEmpty } from "./socket-options.ts";

const LARGEST_PACKET = 65535;
/** More than any receive buffer holds: who fills it faster than we read must not keep us here. */
const MOST_PACKETS = 65536;

/**
 * Takes out every packet that waits in the queue of `socket`, in order. Throws RangeError when it is still not empty after
 * 65,536 packets, and Error with strerror's text.
 */
export function drain(socket: Socket): readonly Buffer[] {
  const buffer = Buffer.allocUnsafe(LARGEST_PACKET);
  const packets: Buffer[] = [];
  for (let packet = next(socket, buffer); packet !== undefined; packet = next(socket, buffer)) {
    if (packets.push(Buffer.from(packet)) > MOST_PACKETS)
      throw new RangeError("the queue of a raw socket does not become empty: it is flooded");
  }
  return packets;
}

function next(socket: Socket, buffer: Buffer): Buffer | undefined {
  let packet: Buffer | undefined;
  try {
    socket.wrap.recv(buffer, (octets, length) => {
      packet = octets.subarray(0, length);
    });
  } catch (cause) {
    if (!isEmpty(cause)) throw cause;
  }
  return packet;
}
