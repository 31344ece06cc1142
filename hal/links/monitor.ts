// What says that an interface or an address has changed, without saying what: the kernel's own socket, or `ip monitor`.
import { type ChildProcess, spawn } from "node:child_process";
import { NativeSocket, ReceiveRoom } from "../native/socket.ts";
import type { SocketsModule } from "../native/sockets.ts";
import { writeNative16, writeNative32 } from "../socket-options.ts";

/** Calls `look` at each change until the function that it returns is called; `ended` when it can tell no more. */
export type Monitor = (look: () => void, ended: () => void) => () => void;

const IP_MONITOR = ["ip", "-o", "monitor", "link", "address"] as const;

// linux/netlink.h, linux/rtnetlink.h
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const RTMGRP_LINK = 0x1;
const RTMGRP_IPV4_IFADDR = 0x10;
const SOCKADDR_NL_OCTETS = 12;
/** The messages are not read. */
const SLOT = 64;
/** More changes than fit are one change. */
const OVERFLOW = "ENOBUFS";

/** By a socket of the kernel's: no other process. One that cannot be opened has ended at once. */
export const netlinkMonitor =
  (native: SocketsModule): Monitor =>
  (look, ended) => {
    let socket: NativeSocket | undefined;
    try {
      const room = new ReceiveRoom(SLOT);
      socket = NativeSocket.make(native, room, [AF_NETLINK, SOCK_RAW, NETLINK_ROUTE]);
      socket.bind(linksAndAddresses());
      listenTo(socket, look, ended);
    } catch {
      socket?.close();
      ended();
    }
    return () => socket?.close();
  };

/** One look for all that waits. */
function listenTo(socket: NativeSocket, look: () => void, ended: () => void): void {
  let due = false;
  const lookSoon = (): void => {
    if (due) return;
    due = true;
    setImmediate(() => {
      due = false;
      if (socket.isOpen) look();
    });
  };
  socket.listen(lookSoon, ({ code }) => {
    if (code === OVERFLOW) lookSoon();
    else {
      socket.close();
      ended();
    }
  });
}

/** struct sockaddr_nl: any port, both groups. */
function linksAndAddresses(): Buffer {
  const address = Buffer.alloc(SOCKADDR_NL_OCTETS);
  writeNative16(address, 0, AF_NETLINK);
  writeNative32(address, 8, RTMGRP_LINK | RTMGRP_IPV4_IFADDR);
  return address;
}

/**
 * Runs a command ("$@") that ends with us, however we do: `read` comes back when our end of its pipe is closed, which the kernel sees to.
 * The command itself would notice only when it next writes.
 */
const WITH_US = `exec 3<&0 </dev/null
"$@" 3<&- & command=$!
{ read -r _ <&3; kill $command; } 2>/dev/null >&2 & reader=$!
wait $command
kill $reader`;

/** By a command whose every line means "look": `ip monitor`, which BusyBox does not have. */
export const commandMonitor =
  (command: readonly string[] = IP_MONITOR): Monitor =>
  (look, ended) => {
    const child = spawn("sh", ["-c", WITH_US, "sh", ...command], { stdio: ["pipe", "pipe", "ignore"] });
    child.stdout.on("data", () => look());
    child.stdin.on("error", () => {});
    child.on("error", ended);
    child.on("exit", ended);
    holdNothing(child);
    return () => child.stdin.end();
  };

/** Neither the process nor its pipes keep ours alive. */
function holdNothing(child: ChildProcess): void {
  child.unref();
  for (const pipe of [child.stdin, child.stdout]) if (pipe !== null && "unref" in pipe) (pipe.unref as () => void)();
}

/**
 * One monitor for all who watch, which begins now and ends with the process. Whoever has sockets that children inherit (those of
 * raw-socket) begins it before these are opened.
 */
export function sharedMonitor(monitor: Monitor): Monitor {
  const watchers = new Set<{ readonly look: () => void; readonly ended: () => void }>();
  let hasEnded = false;
  monitor(
    () => {
      for (const { look } of [...watchers]) look();
    },
    () => {
      hasEnded = true;
      for (const { ended } of [...watchers]) ended();
    },
  );
  return (look, ended) => {
    const watcher = { look, ended };
    watchers.add(watcher);
    if (hasEnded) ended();
    return () => void watchers.delete(watcher);
  };
}
