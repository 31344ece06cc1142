// Whose card sends something, on a node of the simulated network.
import type { FrameOrigins } from "../../core/ports/frame-origin.ts";
import type { PacketReceiver, SimulatedNode } from "../simulation/node.ts";

/** As the interface has just learnt it from the packet. */
export const simulatedOrigins = (node: SimulatedNode): FrameOrigins => ({
  find(interfaceName, source, group, found) {
    const receiver: PacketReceiver = (packet, on) => {
      if (on.name !== interfaceName || packet.source !== source || packet.destination !== group) return;
      node.receivers.delete(receiver);
      const mac = on.neighbour(source);
      if (mac !== undefined) found({ mac });
    };
    node.receivers.add(receiver);
    return () => void node.receivers.delete(receiver);
  },
});
