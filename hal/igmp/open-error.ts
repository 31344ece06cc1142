// Why IGMP on an interface cannot be opened, in the terms of the port; every driver's are the same.
import { HalError } from "../../core/ports/errors.ts";
import { interfaceIndex, isNoDevice, isPermission } from "../socket-options.ts";

/** "igmp.no-interface". */
export const noInterface = (name: string, cause?: Error): HalError =>
  new HalError("igmp.no-interface", `there is no usable interface ${name}${cause ? `: ${cause.message}` : ""}`, {
    cause,
    needs: `an interface ${name} that exists`,
    alternative: "it is opened when the interface appears",
  });

/** Why the interface `name`, which had this index, cannot be opened: by what the kernel said (strerror's text). */
export function openError(name: string, index: number, thrown: unknown): HalError {
  const cause = thrown instanceof Error ? thrown : new Error(String(thrown));
  if (isPermission(cause))
    return new HalError("igmp.permission", `IGMP on ${name} is not permitted: ${cause.message}`, {
      cause,
      needs: "root, or CAP_NET_RAW and CAP_NET_ADMIN",
      alternative: "start it from the init script, or `setcap cap_net_raw,cap_net_admin+ep` on node",
    });
  if (isNoDevice(cause) || interfaceIndex(name) !== index) return noInterface(name, cause);
  return new HalError("igmp.open-failed", `IGMP on ${name} cannot be opened: ${cause.message}`, {
    cause,
    needs: "free file descriptors and memory, and a link that is not flooded with IGMP",
    alternative: "it is tried again",
  });
}
