// The plainest server there is: aedes as the broker, and in the same process an echo of every request. Says its port.
import { createServer } from "node:net";
import { Aedes } from "aedes";

const broker = await Aedes.createBroker();
const server = createServer({ noDelay: true }, broker.handle);
broker.subscribe(
  "request/#",
  (packet, done) => {
    const id = packet.topic.slice("request/".length);
    broker.publish(
      { cmd: "publish", topic: `answer/${id}`, payload: packet.payload, qos: 0, retain: false, dup: false },
      done,
    );
  },
  () => {},
);
server.listen(0, "127.0.0.1", () => {
  const bound = server.address();
  if (bound !== null && typeof bound === "object") process.stdout.write(`${bound.port}\n`);
});
