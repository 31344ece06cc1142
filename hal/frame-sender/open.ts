// The driver that loads here: our own socket layer, else libpcap.
import { HalError } from "../../core/ports/errors.ts";
import type { FrameSenders } from "../../core/ports/frame-sender.ts";
import { capSenders } from "./cap.ts";
import { packetSenders } from "./packet.ts";

/** Rejects as the port says; with "sender.native-missing" only when neither driver loads. */
export const systemSenders: FrameSenders = {
  open: (interfaceName) =>
    packetSenders.open(interfaceName).catch((error: unknown) => {
      if (error instanceof HalError && error.code === "sender.native-missing") return capSenders.open(interfaceName);
      throw error;
    }),
};
