// One run of misfortune by a seed, held to the rules; its log is the result.
import assert from "node:assert/strict";
import { address, formatIpv4, ipv4 } from "../../core/base/ipv4.ts";
import { type Duration, type Instant, seconds } from "../../core/base/time.ts";
import type { SettopBox } from "./boxes.testkit.ts";
import { CHANNEL_NAMES } from "./configuration.testkit.ts";
import { SETTOP_NAMES, SETTOPS } from "./figure-two.testkit.ts";
import { Invariants } from "./invariants.testkit.ts";
import { Misfortune } from "./misfortune.testkit.ts";
import { World } from "./world.testkit.ts";

const SPAN = seconds(70);
/** Longer than any patience in the system: back-off, lapse of receptions, a silent group joined again. */
const HEALING = seconds(180);
/** Two key changes and more, when all is well again. */
const WELL = seconds(25);

const wrong = (seed: number, cause: unknown): Error => new Error(`seed ${seed}: ${String(cause)}`, { cause });

/** What is not as it should be when nothing has failed for a while; empty when all is well. */
function ills(world: World, invariants: Invariants): readonly string[] {
  const found: string[] = [];
  const wanted: string[] = [];
  for (const name of SETTOP_NAMES) {
    const box = world.settops[name];
    for (const { channel, dark } of box.channels()) {
      if (!invariants.isEntitled(name)) continue;
      wanted.push(`${name} ${channel}`);
      const shows = CHANNEL_NAMES.some((one) => one === channel && world.watches(name, one));
      if (!shows) found.push(`${name} does not show ${channel}: ${dark?.reason} ${dark?.text}`);
    }
    const { entries } = box.journal.load();
    const ended = entries.length - (invariants.isEntitled(name) ? box.channels().length : entries.length);
    if (ended !== 0) found.push(`${name} has ${ended} stops that are not acknowledged`);
  }
  const live = world.control.rows("live_reception").map(({ device, channel }) => `${device} ${channel}`);
  if (live.sort().join() !== wanted.sort().join()) found.push(`live: ${live.join()}; should be: ${wanted.join()}`);
  return [...found, ...evidenceIlls(world)];
}

/** The routers' evidence, as the reception server has it, against what the set-tops' kernels have joined. */
function evidenceIlls(world: World): readonly string[] {
  const open = world.control.rows("membership").filter(({ until }) => until === undefined);
  return SETTOP_NAMES.flatMap((name) => {
    const host = address(SETTOPS[name]);
    const seen = open.filter((row) => row.host === host).map(({ group }) => formatIpv4(ipv4(Number(group))));
    const joined = world.settops[name].node.memberships.groups("eth0").map(formatIpv4);
    return seen.sort().join() === joined.sort().join() ? [] : [`${name} joined ${joined}; on record: ${seen}`];
  });
}

/** What was lost since `from` although nothing failed. */
const losses = (world: World, from: Instant): readonly string[] =>
  SETTOP_NAMES.flatMap((name) =>
    CHANNEL_NAMES.flatMap((_, channel) => {
      const missing = world.settops[name].screen.missing(channel, from, world.now);
      return missing.length === 0 ? [] : [`${name} lost ${missing.join(" ")} of ${CHANNEL_NAMES[channel]}`];
    }),
  );

/** Rejects with an Error that names the seed. */
export async function run(seed: number, span: Duration = SPAN): Promise<string> {
  const world = await World.start(seed);
  const invariants = new Invariants(world);
  const misfortune = new Misfortune(world, seed);
  for (const settop of SETTOP_NAMES) world.tune(settop, "one");
  try {
    await misfortune.happen(span, "everywhere");
    await misfortune.end();
    for (const settop of SETTOP_NAMES) if (world.settops[settop].channels().length === 0) world.tune(settop, "one");
    await world.until(() => ills(world, invariants).length === 0, HEALING, seconds(1));
    assert.deepEqual(ills(world, invariants), []);
    const well = world.now;
    await world.run(WELL);
    assert.deepEqual([...ills(world, invariants), ...losses(world, well)], []);
    invariants.checkEnd();
  } catch (error) {
    throw wrong(seed, error);
  }
  return world.text();
}

/**
 * Only the control plane fails, so every packet reaches every set-top: what a viewer does not see is counted under the name of its
 * reason. Returns how many packets that were, over both channels. Rejects as `run`.
 */
export async function runControlOnly(seed: number, span: Duration = SPAN): Promise<number> {
  const world = await World.start(seed);
  const invariants = new Invariants(world);
  const misfortune = new Misfortune(world, seed);
  const box = world.settops["settop-31"];
  for (const channel of CHANNEL_NAMES) world.tune("settop-31", channel);
  try {
    await world.until(() => CHANNEL_NAMES.every((channel) => world.watches("settop-31", channel)));
    const [from, before] = [world.now, withoutKey(box)];
    await misfortune.happen(span, "control");
    await misfortune.end();
    await world.until(() => ills(world, invariants).length === 0, HEALING, seconds(1));
    assert.deepEqual(ills(world, invariants), []);
    const missing = CHANNEL_NAMES.flatMap((_, channel) => box.screen.missing(channel, from, world.now));
    assert.equal(missing.length, withoutKey(box) - before, "missing, and counted as being without a key");
    invariants.checkEnd();
    return missing.length;
  } catch (error) {
    throw wrong(seed, error);
  }
}

const withoutKey = (box: SettopBox): number =>
  box
    .channels()
    .map(({ drops }) => (drops["srtp.unknown-mki"] ?? 0) + (drops["settop.no-key"] ?? 0))
    .reduce((a, b) => a + b, 0);
