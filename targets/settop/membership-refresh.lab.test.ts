// The set-top's refresh with real kernels: beside the kernel's own host part, on a LAN where nobody asks. Needs root.
import { after, before, test } from "node:test";
import { act, cable, inside, ip, makeNamespaces, removeNamespaces } from "../router/namespaces.testkit.ts";

const PREFIX = `rf-${process.pid}`;
const [BOX, LAN] = [`${PREFIX}-b`, `${PREFIX}-l`];
const OWN = "10.2.0.11";
const BOX_PROGRAM = "build/targets/settop/refreshed-box.testkit.js";
const root = process.getuid?.() === 0;
const skip = root ? false : "needs root for network namespaces";

before(() => {
  if (skip !== false) return;
  makeNamespaces([BOX, LAN]);
  cable(BOX, "eth0", LAN, "eth0");
  for (const [namespace, address] of [
    [BOX, OWN],
    [LAN, "10.2.0.1"],
  ] as const)
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0");
});

after(() => (root ? removeNamespaces([BOX, LAN]) : undefined));

for (const [driver, group] of [
  ["packet", "239.255.77.1"],
  ["raw-socket", "239.255.77.2"],
] as const)
  test(`${driver}: the membership is reported again and again, from the box's address, and nobody else's`, {
    skip,
  }, async () => {
    const wire = act(LAN, "tcpdump", "-l", "-n", "-v", "-i", "eth0", "igmp");
    await wire.saw(/listening on eth0/);
    const box = act(BOX, process.execPath, BOX_PROGRAM, driver, OWN, group);
    await box.saw(/joined/);
    await wire.sawTimes(5, new RegExp(`gaddr ${group} is_ex`), 10_000);
    await box.saw(/"state":"refreshing","interface":"eth0","asks":false,"repeated":[4-9]/);
  });

test("without CAP_NET_RAW the group is joined all the same, and the status says what it takes", { skip }, async () => {
  const group = "239.255.77.3";
  const plain = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", process.execPath, BOX_PROGRAM];
  const box = act(BOX, ...plain, "packet", OWN, group);
  await box.saw(/"state":"cannot","why":"igmp.permission: .*"needs":"root, or CAP_NET_RAW/);
  if (!inside(BOX, "ip", "maddr", "show", "dev", "eth0").includes(group)) throw new Error("the group is not joined");
});
