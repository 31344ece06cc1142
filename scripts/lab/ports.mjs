// Ports of this machine that nobody uses, for runs without namespaces.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer } from "node:net";

/** A TCP port on 127.0.0.1 that the kernel gives to nobody else for a minute, as hal/free-port.testkit.ts says. */
export async function freeTcpPort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const far = connect(port, "127.0.0.1").resume();
  const [near] = await once(server, "connection");
  const ended = Promise.all([once(near, "close"), once(far, "close")]);
  near.resume().end();
  await ended;
  server.close();
  await once(server, "close");
  return port;
}

/** A UDP port on every address. */
export async function freeUdpPort() {
  const socket = createSocket("udp4").bind(0);
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}
