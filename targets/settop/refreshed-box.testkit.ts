// Test support, run by `node` inside a namespace: joins a group with the set-top's sockets, refreshed every second, and tells its status.
import { address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { NodeDatagrams } from "../../hal/datagram/node.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { PacketIgmpSockets } from "../../hal/igmp/packet.ts";
import { RawIgmpSockets } from "../../hal/igmp/raw.ts";
import { linuxLinks } from "../../hal/links/linux.ts";
import { createLogger } from "../shared/log.ts";
import { RefreshedDatagrams } from "./membership-refresh.ts";

const [, , driver, own = "", group = ""] = process.argv;
const datagrams = new RefreshedDatagrams(new NodeDatagrams(), seconds(1), {
  clock: systemClock,
  entropy: systemEntropy,
  links: linuxLinks,
  igmp: () => (driver === "packet" ? PacketIgmpSockets.load() : RawIgmpSockets.load()),
  log: createLogger({ level: "info", format: "json", toStderr: true }, "settop", "lab"),
});
const socket = await datagrams.open({ address: address(group), port: 5004 }, { datagram() {}, failed() {} });
socket.join({ group: address(group), interfaceAddress: address(own) });
process.stdout.write("joined\n");
setInterval(() => process.stdout.write(`${JSON.stringify(datagrams.status())}\n`), 200);
process.stdin.once("end", () => process.exit(0)).resume();
