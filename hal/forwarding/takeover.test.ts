// A process that routes is killed; what the next one finds, takes over and tells. On real kernels only.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { address, formatIpv4 } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import type { ForwardingListener } from "../../core/ports/forwarding.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { linesOf, start } from "../stretched-window.testkit.ts";
import { findKeepers } from "./keeper.ts";
import { parseCache, parseVifs } from "./kernel-tables.ts";
import { LinuxForwarding, type TakeoverOptions } from "./linux.ts";

const HANGS = { timeout: 20_000 };
const INTERFACES = ["rt0", "rt2", "rt4"] as const;
const [SOURCE, GROUP, OTHER, THIRD] = ["10.9.1.2", "239.255.77.1", "239.255.77.2", "239.255.77.3"].map((text) =>
  address(text),
) as [ReturnType<typeof address>, ...ReturnType<typeof address>[]] & { length: 4 };
const CABLES = [
  "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0",
  "sysctl -qw net.ipv4.ip_forward=1",
  ...INTERFACES.flatMap((name, i) => [
    `ip link add ${name} type veth peer name rt${2 * i + 1}`,
    `ip addr add 10.9.${i + 1}.1/24 dev ${name}`,
    `ip link set ${name} up`,
    `ip link set rt${2 * i + 1} up`,
  ]),
];
