// The router bundle behind a point-to-point upstream, as PPP and tunnels are: a tun device of /32 addresses without a subnet, without ARP,
// that goes away with its connection and comes back as another device with another address. Needs root.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `pp-${process.pid}`;
const [ROUTER, VIEWER] = [`${PREFIX}-r`, `${PREFIX}-v`] as const;
const NAMESPACES = [ROUTER, VIEWER];
const HELPER = "targets/router/lab-host.testkit.cjs";
const FAR_END = ["/usr/bin/python3", "targets/router/lab-tun.testkit.py"] as const;
/** Beyond the peer: the link's only neighbour is no source of streams. */
const [PORT, SOURCE, PEER] = ["5004", "172.20.0.2", "192.0.2.1"];
const [GROUP, SPECIFIC] = ["239.1.77.1", "232.1.77.1"];
const LAN_ADDRESS = "10.2.0.11";
const whyNot = (): string | false => {
  if (process.getuid?.() !== 0) return "needs root for network namespaces";
  if (!existsSync("dist/router.cjs")) return "needs npm run build";
  return !(existsSync("/dev/net/tun") && existsSync(FAR_END[0])) && "needs /dev/net/tun and /usr/bin/python3";
};
const skip = whyNot();

const SETTINGS = [
  "id=lab-point-to-point",
  `socket=/tmp/${PREFIX}.sock`,
  "log.format=json",
  "upstream.interface=tun0",
  "downstreams.0.interface=lan0",
].flatMap((setting) => ["--set", setting]);

let [router, viewer, far]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");

/** The link with this address of ours; what it sends are numbered packets of SOURCE to both groups. */
async function dial(address: string): Promise<void> {
  far = act(ROUTER, ...FAR_END, "tun0", address, PEER, SOURCE, PORT);
  await far.saw(/ready/, 20_000);
  for (const group of [GROUP, SPECIFIC]) far.say(`send ${group}`);
}

/** The connection is lost: no device is left. */
async function hangUp(): Promise<void> {
  const { process: child } = the(far);
  child.stdin?.end();
  await once(child, "exit");
  assert.throws(() => inside(ROUTER, "ip", "link", "show", "tun0"));
}

/** EXCLUDE of nothing joins a group, INCLUDE of a source that source; as a change or as the current state. */
const joins = (from: string): readonly RegExp[] => [
  new RegExp(`^igmp ${from} 224\\.0\\.0\\.22 1 report3 [24] ${GROUP}$`),
  new RegExp(`^igmp ${from} 224\\.0\\.0\\.22 1 report3 [135] ${SPECIFIC} ${SOURCE}$`),
];
/** Sent under another address than this, which is gone. */
const stale = (address: string): RegExp => new RegExp(`^igmp (?!${address} )`);
const gets = (group: string, count = 50): Promise<void> =>
  the(viewer).sawTimes(count, new RegExp(`^${group} \\d`), 8000, the(viewer).lines.length);
const status = () => JSON.parse(inside(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, "status", "--json"));

before(async () => {
  if (skip !== false) return;
  makeNamespaces(NAMESPACES);
  cable(ROUTER, "lan0", VIEWER, "eth0");
  ip("-n", ROUTER, "addr", "add", "10.2.0.1/24", "dev", "lan0");
  ip("-n", VIEWER, "addr", "add", `${LAN_ADDRESS}/24`, "dev", "eth0");
  ip("-n", VIEWER, "route", "add", "default", "dev", "eth0");
  await dial("192.0.2.33");
  router = act(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS);
  await the(router).saw(/"msg":"running"/, 20_000);
  viewer = act(VIEWER, process.execPath, HELPER, "host", LAN_ADDRESS, PORT);
});

after(() => (skip === false ? removeNamespaces(NAMESPACES) : undefined));

test("point to point: joins go up, any-source and source-specific, and the streams come down", { skip }, async () => {
  the(viewer).say(`join ${GROUP}`);
  the(viewer).say(`join ${SPECIFIC} ${SOURCE}`);
  for (const join of joins("192.0.2.33")) await the(far).saw(join);
  await Promise.all([gets(GROUP), gets(SPECIFIC)]);
  const routes: readonly { source: string; group: string; inbound: string }[] = status().routes;
  for (const group of [GROUP, SPECIFIC]) assert.ok(routes.some((one) => one.group === group && one.source === SOURCE));
});

test("point to point: the peer's general query is answered with both", { skip }, async () => {
  const from = the(far).lines.length;
  the(far).say("query");
  for (const join of joins("192.0.2.33")) await the(far).saw(join, 5000, from);
  assert.equal(status().upstream.asks, true);
});

test("point to point: dialled again, and once more, under other addresses: all is asked for and streams, by the same process", {
  skip,
}, async () => {
  const said = the(router).lines.length;
  for (const address of ["192.0.2.44", "192.0.2.55"]) {
    await hangUp();
    await dial(address);
    const dialled = performance.now();
    await Promise.all([gets(GROUP, 1), gets(SPECIFIC, 1)]);
    const took = performance.now() - dialled;
    assert.ok(took < 5000, `${Math.round(took)} ms`);
    for (const join of joins(address)) await the(far).saw(join);
    await Promise.all([gets(GROUP), gets(SPECIFIC)]);
    assert.equal(the(far).count(stale(address)), 0, "nothing under an address that is gone");
  }
  assert.equal(the(router).process.exitCode, null);
  assert.equal(the(router).count(/"level":(50|60)/, said), 0, "no error");
});

test("point to point: who joined while the link was away, and who left meanwhile, is right when it is back", {
  skip,
}, async () => {
  const late = "239.1.77.2";
  await hangUp();
  the(viewer).say(`join ${late}`);
  the(viewer).say(`leave ${GROUP}`);
  await the(router).saw(new RegExp(`"number":71.*"group":"${late}"`));
  await dial("192.0.2.66");
  the(far).say(`send ${late}`);
  await gets(late);
  await the(far).saw(new RegExp(`^igmp 192\\.0\\.2\\.66 224\\.0\\.0\\.22 1 report3 [24] ${late}$`));
  the(viewer).say(`leave ${late}`);
  await the(far).saw(new RegExp(`^igmp 192\\.0\\.2\\.66 224\\.0\\.0\\.22 1 report3 3 ${late}$`), 10_000);
  assert.equal(the(far).count(/^udp /), 0, "nothing of the streams goes back up");
});
