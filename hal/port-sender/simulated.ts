// Packets put out by the ports of a simulated node's bridges.
import { Counters } from "../../core/base/counters.ts";
import { readIpv4 } from "../../core/base/ipv4.ts";
import type { PortPacket, PortSender } from "../../core/ports/port-sender.ts";
import type { SimulatedNode } from "../simulation/node.ts";
import type { PortSenderCount } from "./packet.ts";

const [SOURCE, DESTINATION] = [12, 16];

/** Of one node, whose frames bear no tags. */
export class SimulatedPortSender implements PortSender {
  readonly #node: SimulatedNode;
  readonly #counts = new Counters<PortSenderCount>();

  constructor(node: SimulatedNode) {
    this.#node = node;
  }

  send({ bridge, port, packet }: PortPacket): void {
    const on = this.#node.interface(bridge);
    const link = on?.link();
    if (on === undefined || link?.up !== true || !link.ports.includes(port)) {
      this.#counts.count("port-sender.not-forwarding");
      return;
    }
    const bytes = packet.slice();
    on.transmitBy(port, {
      kind: "igmp",
      source: readIpv4(bytes, SOURCE),
      destination: readIpv4(bytes, DESTINATION),
      bytes,
    });
  }

  counts(): Readonly<Record<string, number>> {
    return this.#counts.snapshot();
  }

  close(): void {}
}
