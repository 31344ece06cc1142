// Why multicast routing cannot be had, in words that say what to do.
import { HalError } from "../../core/ports/errors.ts";
import { isPermission } from "../socket-options.ts";
import { type FoundKeeper, findIgmpPrograms } from "./keeper.ts";

/** Somebody holds it, by strerror's text: EADDRINUSE. */
export const isInUse = (cause: unknown): boolean => /in use/i.test(textOf(cause));

/** Names who holds routing, as far as that can be seen. */
export function inUse(living: FoundKeeper | undefined): HalError {
  if (living !== undefined)
    return new HalError("mroute.in-use", `another sealcast router holds multicast routing: process ${living.router}`, {
      needs: "that only one router runs in this network namespace",
      alternative: "stop the other one, or do not start this one",
    });
  const programs = findIgmpPrograms().map(({ pid, name }) => `${name} (process ${pid})`);
  return new HalError("mroute.in-use", `another program holds multicast routing: ${programs.join(", ") || "unseen"}`, {
    needs: "that no other router, igmpproxy, omcproxy, mrouted, pimd or smcroute runs in this network namespace",
    alternative: "stop and disable that program",
  });
}

/** Of the socket, or of the option that takes routing. */
export function openError(cause: unknown): HalError {
  const text = textOf(cause);
  if (isPermission(cause))
    return new HalError("mroute.permission", `multicast routing is not permitted: ${text}`, {
      cause,
      needs: "root, or CAP_NET_RAW and CAP_NET_ADMIN",
      alternative: 'start it from the init script, or run without forwarding (`forwarding: "none"`)',
    });
  if (isInUse(cause)) return inUse(undefined);
  // ENOPROTOOPT: no such option.
  if (/protocol not available/i.test(text))
    return new HalError("mroute.unsupported", `this kernel has no multicast routing: ${text}`, {
      cause,
      needs: "a kernel with CONFIG_IP_MROUTE",
      alternative: 'relay each packet through this process (`forwarding: "relay"`), or bridge (`forwarding: "bridge"`)',
    });
  return new HalError("mroute.open-failed", `multicast routing cannot be opened: ${text}`, {
    cause,
    needs: "free file descriptors and memory, and links that are not flooded with IGMP",
    alternative: 'start it again, or run without forwarding (`forwarding: "none"`)',
  });
}

/** An interface that cannot be routed on. */
export const addError = (name: string, why: string, cause?: unknown): HalError =>
  new HalError("mroute.add-vif", `cannot route multicast on ${name}: ${why}`, { cause });

/** What an exception says. */
export const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
