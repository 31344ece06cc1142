// Test support: whole Ethernet frames put on the link of an interface, as if any host there had sent them.
import { loadSockets } from "../native.ts";
import { interfaceIndex, writeNative16, writeNative32 } from "../socket-options.ts";
import { succeeded } from "./sockets.ts";

const [AF_PACKET, SOCK_RAW] = [17, 3];

export interface FrameSender {
  send(frame: Uint8Array): void;
  close(): void;
}

/** Sends from the far end of a cable what comes in on the near one. */
export async function frameSender(interfaceName: string): Promise<FrameSender> {
  const sockets = await loadSockets("test");
  const fd = succeeded("socket", sockets.socket(AF_PACKET, SOCK_RAW, 0));
  const to = Buffer.alloc(20);
  writeNative16(to, 0, AF_PACKET);
  writeNative32(to, 4, interfaceIndex(interfaceName) ?? 0);
  return {
    send: (frame) => void succeeded("send", sockets.send(fd, frame, to)),
    close: () => void sockets.close(fd),
  };
}
