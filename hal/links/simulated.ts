// Interfaces of a simulated node.
import type { Links } from "../../core/ports/links.ts";
import type { SimulatedNode } from "../simulation/node.ts";

/** Those of a node. */
export const simulatedLinks = (node: SimulatedNode): Links => ({
  get: (name) => node.interface(name)?.link(),
  list: () => [...node.interfaces()].map((one) => one.link()),
  changes(changed) {
    const watcher = (): void => changed([...node.interfaces()].map((one) => one.link()));
    node.linkWatchers.add(watcher);
    return () => node.linkWatchers.delete(watcher);
  },
  watch(names, changed) {
    const watcher: typeof changed = (name, link) => {
      if (names.includes(name)) changed(name, link);
    };
    node.linkWatchers.add(watcher);
    return () => node.linkWatchers.delete(watcher);
  },
  neighbour: (interfaceName, address) => node.interface(interfaceName)?.neighbour(address),
});
