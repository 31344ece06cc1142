// Network cards that vanish and are made anew with the same name and address, get another address, or are down at the start: at the
// headend's outputs, at its input and at the set-top. The stream goes on by itself, and whoever has to know is told meanwhile.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { act, cable, ip, makeNamespaces, removeNamespaces } from "../router/namespaces.testkit.ts";
import { Configured, controlConfig, type Json, scratch } from "./bundles.testkit.ts";

const [HUB, HEAD, BOX] = ["sc-heal-hub", "sc-heal-head", "sc-heal-box"] as const;
const SPACES = [HUB, HEAD, BOX];
const folder = scratch("healing");
const BROKER = 11_883;
const under = (namespace: string) => ({ under: ["ip", "netns", "exec", namespace] });

/** One on out0 whatever address that has; one, which is signed, on whatever interface has the address. */
const CHANNELS = [
  { id: "news", group: "239.255.83.1", port: 5004, interface: "out0" },
  { id: "sport", group: "239.255.83.2", port: 5004, sign: true },
] as const;
const INPUT = { kind: "udp", address: "239.255.82.1", port: 5010, interface: "in0", silence: 2 } as const;

/** Networks of their own, so that no card answers for another one's address. */
const NETWORKS = { ctl0: "control", in0: "studio", out0: "access", tv0: "access" } as const;
const HUB_ADDRESSES = { control: "10.81.0.1/24", studio: "10.82.0.1/24", access: "10.83.0.1/24" } as const;

/** A card with a cable to the hub's end of its network. */
function plug(namespace: string, name: keyof typeof NETWORKS, address: string): void {
  const far = `${namespace.slice(-4)}-${name}`;
  cable(namespace, name, HUB, far);
  ip("-n", HUB, "link", "set", far, "master", NETWORKS[name]);
  ip("-n", namespace, "addr", "add", address, "dev", name);
}

const unplug = (namespace: string, name: string): void => ip("-n", namespace, "link", "del", name);

/** The operator's command line. */
const control = (...words: string[]): string =>
  execFileSync(process.execPath, ["dist/control.cjs", "--config", join(folder, "operator.json"), ...words], {
    encoding: "utf8",
  });

/** Registers whoever takes part; the operator's commands work without the server. */
function register(): void {
  writeFileSync(join(folder, "operator.json"), JSON.stringify(CONTROL));
  control("init");
  for (const { id } of CHANNELS) control("channel", "add", id);
  control("package", "add", "all", ...CHANNELS.map(({ id }) => id));
  control("subscriber", "add", "alice");
  control("subscription", "add", "alice", "all");
  control("device", "add", "box", "--subscriber", "alice", "--identity-out", join(folder, "box.json"));
  control("service", "add", "studio", "--role", "headend", "--identity-out", join(folder, "studio.json"));
}

const CONTROL = {
  ...controlConfig(folder),
  socket: join(folder, "control.sock"),
  broker: { listeners: [{ host: "10.81.0.1", port: BROKER }] },
};
const broker = { url: `mqtt://10.81.0.1:${BROKER}` };

let servers: Configured;
let headend: Configured;
let box: Configured;

before(() => {
  makeNamespaces(SPACES);
  for (const [network, address] of Object.entries(HUB_ADDRESSES)) {
    ip("-n", HUB, "link", "add", network, "type", "bridge", "mcast_snooping", "0");
    ip("-n", HUB, "addr", "add", address, "dev", network);
    ip("-n", HUB, "link", "set", network, "up");
  }
  plug(HEAD, "ctl0", "10.81.0.2/24");
  plug(BOX, "ctl0", "10.81.0.3/24");
  register();
  servers = new Configured("control", folder, CONTROL, under(HUB));
});
after(async () => {
  for (const bundle of [box, headend, servers]) if (bundle?.isRunning) await bundle.stop("SIGKILL");
  await removeNamespaces(SPACES);
});

const stateOf = (bundle: Configured, wanted: string): Promise<Json> =>
  bundle.see(`state ${wanted}`, ({ state }: Json) => state === wanted || undefined);

const picture = ({ channels }: Json, id: string): number =>
  channels.find(({ channel }: Json) => channel === id)?.handedOn ?? 0;

/** Both channels go on from now on, without anybody's help. */
async function flows(...ids: string[]): Promise<void> {
  const start = await box.status();
  for (const id of ids)
    await box.see(`${id} again`, (status) => picture(status, id) > picture(start, id) + 50 || undefined);
}

/** What control shows of the headend's alarms. */
const alarmsAt = (wanted: readonly string[]): Promise<true> =>
  servers.see(`alarms ${wanted}`, ({ keyServer }: Json) => {
    const { alarms = ["no headend"] } = keyServer.headends?.studio ?? {};
    return wanted.every((one) => alarms.includes(one)) && (wanted.length > 0 || alarms.length === 0) ? true : undefined;
  });

const raised = (bundle: Configured, id: string, alarm: string): Promise<true> =>
  bundle.see(`${alarm} of ${id}`, ({ channels }: Json) =>
    channels.find((one: Json) => one.channel === id).raised.includes(alarm) ? true : undefined,
  );

test("cards that are down, or not there, at the start: each bundle waits, and goes on when they come up", async () => {
  const peers = (role: string): Json => JSON.parse(control("peers", role));
  plug(HEAD, "out0", "10.83.0.2/24");
  ip("-n", HEAD, "link", "set", "out0", "down");
  headend = new Configured(
    "headend",
    folder,
    {
      id: "studio",
      identity: join(folder, "studio.json"),
      broker,
      keyServer: peers("headend"),
      interface: "10.83.0.2",
      channels: CHANNELS.map((channel) => ({ ...channel, input: INPUT })),
    },
    under(HEAD),
  );
  box = new Configured(
    "settop",
    folder,
    {
      id: "box",
      identity: join(folder, "box.json"),
      journal: join(folder, "receptions.json"),
      broker,
      keyServer: peers("settop"),
      interface: "tv0",
      channels: CHANNELS.map(({ id, group, port }) => ({ id, group, port })),
      tune: ["news", "sport"],
      output: { form: "null" },
    },
    under(BOX),
  );
  await stateOf(headend, "waiting for interface out0, in0, interface address 10.83.0.2");
  await stateOf(box, "waiting for interface tv0");
  await alarmsAt(["news: input-silent", "sport: input-silent"]);
  act(HUB, process.execPath, "targets/failures/encoder.testkit.cjs", SAMPLE, "10.82.0.1", INPUT.address, "5010");
  plug(HEAD, "in0", "10.82.0.2/24");
  ip("-n", HEAD, "link", "set", "out0", "up");
  plug(BOX, "tv0", "10.83.0.3/24");
  await stateOf(headend, "running");
  await stateOf(box, "running");
  await flows("news", "sport");
  await alarmsAt([]);
  const { channels } = await box.status();
  const [news, sport] = CHANNELS.map(({ id }) => channels.find(({ channel }: Json) => channel === id));
  assert.equal(news.authentication, undefined);
  assert.ok(sport.authentication.covered >= sport.handedOn && sport.handedOn > 0, JSON.stringify(sport));
});

const SAMPLE = "scripts/sample/test-card.mpegts";

test("the headend's output card made anew: an alarm in log, status and at control while it is away, then the stream goes on", async () => {
  unplug(HEAD, "out0");
  const why = "datagram.interface-away";
  await alarmsAt([`news: output-failing (${why})`, `sport: output-failing (${why})`]);
  await raised(headend, "news", "output-failing");
  const line = JSON.parse(await headend.line(/"alarm":"output-failing"/));
  assert.deepEqual([line.level, line.msg, line.channel], [50, "packets cannot be sent", "news"]);
  assert.match(line.why, /interface out0 does not exist/);
  await servers.line(/headend studio: news: output-failing/);
  plug(HEAD, "out0", "10.83.0.2/24");
  await flows("news", "sport");
  await alarmsAt([]);
});

test("the card of the headend's input made anew: silence is an alarm, and the group is joined on the new card", async () => {
  unplug(HEAD, "in0");
  await alarmsAt(["news: input-silent", "sport: input-silent"]);
  await raised(headend, "news", "input-silent");
  await headend.line(/nothing comes in/);
  plug(HEAD, "in0", "10.82.0.2/24");
  await flows("news", "sport");
  await alarmsAt([]);
});

test("the set-top's card made anew: the groups are joined on it, and the picture goes on", async () => {
  unplug(BOX, "tv0");
  await stateOf(box, "waiting for interface tv0");
  plug(BOX, "tv0", "10.83.0.3/24");
  await flows("news", "sport");
});

test("other addresses, as DHCP gives them: what is named by interface goes on, what is named by address waits for that", async () => {
  for (const [namespace, name, old, next] of [
    [HEAD, "in0", "10.82.0.2/24", "10.85.0.2/24"],
    [BOX, "tv0", "10.83.0.3/24", "10.85.0.3/24"],
    [HEAD, "out0", "10.83.0.2/24", "10.86.0.2/24"],
  ] as const) {
    ip("-n", namespace, "addr", "del", old, "dev", name);
    ip("-n", namespace, "addr", "add", next, "dev", name);
    await flows("news");
  }
  await stateOf(headend, "waiting for interface address 10.83.0.2");
  await alarmsAt(["sport: output-failing (datagram.interface-away)"]);
  ip("-n", HEAD, "addr", "add", "10.83.0.2/24", "dev", "out0");
  await flows("news", "sport");
  await alarmsAt([]);
});
