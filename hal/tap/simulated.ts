// Frame taps on the ports of a simulated node.
import type { FrameTap, FrameTaps, TapListener } from "../../core/ports/frame-tap.ts";
import type { SimulatedNode } from "../simulation/node.ts";

/** Hears IGMP frames that come in through a port of the node. */
export class SimulatedTaps implements FrameTaps {
  readonly #node: SimulatedNode;

  constructor(node: SimulatedNode) {
    this.#node = node;
  }

  open(interfaceName: string, listener: TapListener): FrameTap {
    const watcher = (port: string, frame: Uint8Array): void => {
      if (port === interfaceName) listener.frame(frame);
    };
    this.#node.tapWatchers.add(watcher);
    listener.resumed();
    return { interfaceName, dropped: () => 0, close: () => void this.#node.tapWatchers.delete(watcher) };
  }
}
