// IGMP on a node of the simulated network.
import { isMulticast, readIpv4 } from "../../core/base/ipv4.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { IgmpListener, IgmpSocket, IgmpSockets } from "../../core/ports/igmp-socket.ts";
import type { SimulatedNode } from "../simulation/node.ts";
import type { SimulatedPacket } from "../simulation/packet.ts";

const SHORTEST_HEADER = 20;
const SOURCE = 12;
const DESTINATION = 16;

/** All IGMP sockets of one node. */
export class SimulatedIgmpSockets implements IgmpSockets {
  readonly hearsUnjoined = true;
  readonly #node: SimulatedNode;

  constructor(node: SimulatedNode) {
    this.#node = node;
  }

  open(interfaceName: string, listener: IgmpListener): IgmpSocket {
    if (this.#node.interface(interfaceName) === undefined)
      throw new HalError("igmp.no-interface", `there is no usable interface ${interfaceName}`);
    return new SimulatedIgmpSocket(this.#node, interfaceName, listener);
  }
}

class SimulatedIgmpSocket implements IgmpSocket {
  readonly interfaceName: string;
  readonly #node: SimulatedNode;
  readonly #stop: (() => void)[];
  readonly #index: number | undefined;

  constructor(node: SimulatedNode, interfaceName: string, listener: IgmpListener) {
    this.#node = node;
    this.interfaceName = interfaceName;
    this.#index = node.interface(interfaceName)?.index;
    const receiver = (packet: SimulatedPacket, on: { readonly index: number }) => {
      if (packet.kind === "igmp" && on.index === this.#index) listener.packet(packet.bytes, {});
    };
    const watcher = (name: string, link: { readonly up: boolean } | undefined) => {
      if (name === interfaceName && link?.up !== true) this.#failed(listener);
    };
    node.receivers.add(receiver);
    node.linkWatchers.add(watcher);
    this.#stop = [() => node.receivers.delete(receiver), () => node.linkWatchers.delete(watcher)];
  }

  send(packet: Uint8Array): void {
    if (this.#stop.length === 0 || packet.length < SHORTEST_HEADER) return;
    const [source, destination] = [readIpv4(packet, SOURCE), readIpv4(packet, DESTINATION)];
    if (!isMulticast(destination)) return;
    const bytes = packet.slice();
    this.#node.interface(this.interfaceName)?.transmit({ kind: "igmp", source, destination, bytes });
  }

  dropped(): number {
    return 0;
  }

  close(): void {
    for (const stop of this.#stop.splice(0)) stop();
  }

  #failed(listener: IgmpListener): void {
    this.close();
    listener.failed(new HalError("igmp.failed", `IGMP on ${this.interfaceName} failed: Network is down`));
  }
}
