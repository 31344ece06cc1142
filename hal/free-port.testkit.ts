// Ports of this machine for programs that a test starts and that have to be told a number.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";

const HOST = "127.0.0.1";
/** Below what the kernel gives to whoever asks for any port (ip_local_port_range). */
const [LOWEST, HIGHEST] = [20_000, 32_000];

/**
 * A TCP port on 127.0.0.1 that the kernel gives to nobody else for a minute: a connection of it is in TIME_WAIT. A listener, which asks
 * for SO_REUSEADDR, may still have it. Without that, whoever connects or binds in between may take the port.
 */
export async function freeTcpPort(): Promise<number> {
  const server: Server = createServer().listen(0, HOST);
  await once(server, "listening");
  const port = portOf(server.address());
  const far = connect(port, HOST).resume();
  const [near] = (await once(server, "connection")) as [ReturnType<typeof connect>];
  // Who ends first keeps the port, and that is the listener's side.
  const ended = Promise.all([once(near, "close"), once(far, "close")]);
  near.resume().end();
  await ended;
  server.close();
  await once(server, "close");
  return port;
}

/** A UDP port on 127.0.0.1 that nobody has, out of those that the kernel gives to nobody by itself. */
export async function freeUdpPort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    const socket = createSocket("udp4");
    const free = new Promise<boolean>((resolve) => {
      socket.once("error", () => resolve(false));
      socket.bind(port, HOST, () => resolve(true));
    });
    const isFree = await free;
    socket.close();
    if (isFree) return port;
  }
}

function portOf(address: ReturnType<Server["address"]>): number {
  if (typeof address !== "object" || address === null) throw new Error("a TCP listener has a port");
  return address.port;
}
