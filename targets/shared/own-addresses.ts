// The interfaces that a configuration chooses, followed and told of in the log.
import type { InterfaceChoice } from "../../core/ports/datagrams.ts";
import type { Links } from "../../core/ports/links.ts";
import { OwnAddresses } from "../../hal/links/own-addresses.ts";
import { choiceText } from "../../hal/links/words.ts";
import type { Logger } from "./log.ts";

/** Warns of each that is not there, now or later, and tells when it is there again. `changed` hears after either what is waited for now. */
export const ownAddresses = (
  choices: readonly InterfaceChoice[],
  links: Links,
  log: Logger,
  changed: (waiting: string | undefined) => void = () => {},
): OwnAddresses =>
  new OwnAddresses(choices, links, {
    away(choice, lack) {
      log.warn(choiceFields(choice), `${lack}: waiting for it`);
    },
    back(choice, interfaceName) {
      const what = typeof choice === "string" ? "interface" : "interface address";
      log.info({ ...choiceFields(choice), interface: interfaceName }, `${what} is there`);
    },
    changed,
  });

const choiceFields = (choice: InterfaceChoice): object =>
  typeof choice === "string" ? { interface: choice } : { interfaceAddress: choiceText(choice) };
