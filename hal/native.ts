// Native packages, loaded only when a driver that needs them is chosen; what is missing becomes a HalError that says what to do.
import type * as Capture from "cap";
import type * as Raw from "raw-socket";
import { HalError } from "../core/ports/errors.ts";
import type { SocketsModule } from "./native/sockets.ts";

/** What we use of raw-socket. */
export type RawSocketModule = Pick<typeof Raw, "createSocket">;

/** What we use of cap. */
export type CaptureModule = Pick<typeof Capture, "Cap">;

/** raw-socket, for the driver of `port` ("igmp", "mroute"); rejects with HalError "<port>.native-missing". */
export const loadRawSocket = (port: string): Promise<RawSocketModule> =>
  load(port, () => import("raw-socket"), {
    needs: "the native package raw-socket, inside the bundle, in SEALCAST_NATIVE_PATH or on NODE_PATH",
    alternative: "on OpenWrt install node-raw-socket; elsewhere `npm install raw-socket` and point NODE_PATH at it",
  });

/** cap, for the driver of `port` ("tap"); rejects with HalError "<port>.native-missing". */
export const loadCapture = (port: string): Promise<CaptureModule> =>
  load(port, () => import("cap"), {
    needs: "the native package cap and libpcap",
    alternative: "run without taps (`taps: false`): hosts are then known by IP and neighbour table, not by bridge port",
  });

/** Our own socket addon, for the driver of `port` ("igmp", "mroute", "links"); rejects with HalError "<port>.native-missing". */
export const loadSockets = (port: string): Promise<SocketsModule> =>
  load(port, () => import("./native/addon.cts") as Promise<{ default: SocketsModule }>, {
    needs: "sealcast_sockets.node, inside the bundle, in SEALCAST_NATIVE_PATH or on NODE_PATH",
    alternative:
      "in a checkout compile it with `node scripts/native/build.mjs`; elsewhere the drivers of raw-socket and cap do",
  });

interface Advice {
  readonly needs: string;
  readonly alternative: string;
}

async function load<Module extends object>(
  port: string,
  from: () => Promise<Module | { default: Module }>,
  advice: Advice,
): Promise<Module> {
  try {
    const loaded = await from();
    return "default" in loaded ? loaded.default : loaded;
  } catch (cause) {
    throw new HalError(`${port}.native-missing`, `the ${port} driver cannot load its native part`, {
      cause,
      ...advice,
    });
  }
}
