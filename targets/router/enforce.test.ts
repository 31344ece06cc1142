// Who receives by control's word: when control is away, over a restart and who is new; and when what is enforced changes in a running router.
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import type { PolicyState } from "../../core/control/messages.ts";
import type { GuardedPorts, GuardRules } from "../../core/ports/enforcement.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { EvidenceLog } from "../../core/ports/evidence-log.ts";
import { SimulatedEnforcement } from "../../hal/enforcement/simulated.ts";
import { MemoryEvidenceLog } from "../../hal/evidence/memory.ts";
import type { Control } from "./service.ts";
import { CHANNEL, CONNECTED, DARK, simulatedRouter } from "./simulated.testkit.ts";
import type { ControlStatus } from "./status.ts";

const CONTROL = {
  broker: { url: "mqtt://nowhere" },
  identity: "none",
  reception: { id: "none", publicKey: "09".padEnd(64, "0") },
};

/** Answers each question at once, until it goes away. */
class Word implements Control {
  readonly permits = new Map<string, readonly Ipv4[]>();
  isAway = false;
  #heard: Parameters<Control["policy"]>[1] = () => assert.fail("nobody hears");

  asked: readonly string[] = [];
  told: Parameters<Control["inquire"]>[1] = () => assert.fail("nothing was asked");

  inquire(macs: readonly string[], told: Parameters<Control["inquire"]>[1]): void {
    this.asked = macs;
    this.told = told;
    if (!this.isAway) told(macs.map((mac) => ({ mac, groups: this.permits.get(mac) ?? [] })));
  }

  readonly states: PolicyState[] = [];

  policy(state: PolicyState, heard: Parameters<Control["policy"]>[1]): void {
    this.states.push(state);
    this.#heard = heard;
  }

  give(revision: number, policy: object): void {
    this.#heard(revision, JSON.stringify(policy));
  }

  add(): void {}
  refused(): void {}
  status = (): ControlStatus => CONNECTED;
  async close(): Promise<void> {}
}

const enforced = (afterwards: "open" | "closed", group = CHANNEL, more: object = {}) => ({
  enforce: { groups: [`${formatIpv4(group)}/32`], afterwards, ...more },
});

/** What the guard lets out of its ports for one who cannot have it when `lacks`. */
class Guard extends SimulatedEnforcement {
  lacks: HalError | undefined;

  override open(rules: GuardRules): GuardedPorts {
    if (this.lacks !== undefined) throw this.lacks;
    return super.open(rules);
  }
}

async function bench(
  afterwards: "open" | "closed" | "nothing enforced",
  permitLog: EvidenceLog = new MemoryEvidenceLog(),
  word = new Word(),
) {
  let guard: Guard | undefined;
  const world = await simulatedRouter({
    entries: { ...CONTROL, ...(afterwards === "nothing enforced" ? {} : enforced(afterwards)) },
    platform: (_forwarding, _taps, clock) => {
      guard = new Guard(clock);
      return { membershipReports: word, enforcement: guard, permitLog };
    },
  });
  const members = () =>
    world.service
      .status()
      .interfaces.flatMap(({ hosts }) => hosts.map(({ mac }) => mac))
      .sort();
  return {
    ...world,
    word,
    members,
    guard: guard ?? assert.fail("no guard"),
    lets: (port: string) => guard?.lets(port, CHANNEL) === true,
    /** Of the two ports of the bridge. */
    let: () => ["lan1", "lan2"].filter((port) => guard?.lets(port, CHANNEL)),
    /** Another configuration in which nothing is enforced. */
    lift: () => world.reload({ enforce: undefined }),
  };
}

/** What a guard that is taken away is done with. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test("a router that starts while control is away goes by what it said before: the viewer sees on, nobody else", async () => {
  const permitLog = new MemoryEvidenceLog();
  const before = await bench("closed", permitLog);
  before.word.permits.set(before.a.mac, [CHANNEL]);
  before.a.join();
  before.idle(15);
  assert.deepEqual(before.members(), [before.a.mac]);
  // Killed: nothing is said any more.
  const away = new Word();
  away.isAway = true;
  const { a, b, idle, members, lets, service } = await bench("closed", permitLog, away);
  assert.deepEqual([lets("lan1"), lets("lan2")], [true, false]);
  a.join();
  b.join();
  idle(100);
  assert.deepEqual(members(), [a.mac]);
  assert.deepEqual([lets("lan1"), lets("lan2")], [true, false]);
  assert.equal(service.status().enforce?.stands, true);
  idle(3600);
  assert.deepEqual([members(), lets("lan1")], [[], false], "for as long as the word would have stood");
});

test("open: a box that comes while control is away is let in within seconds, not when the last word has ceased to stand", async () => {
  const { word, a, b, idle, members, lets } = await bench("open");
  word.permits.set(a.mac, [CHANNEL]);
  a.join();
  idle(10);
  word.isAway = true;
  b.join();
  idle(2);
  assert.deepEqual([members(), lets("lan2")], [[a.mac], false], "control has a moment to answer");
  idle(8);
  assert.deepEqual([members().sort(), lets("lan2")], [[a.mac, b.mac].sort(), true]);
});

test("a reload that begins to enforce: who watches misses no packet while control is asked, who may not is ended, at the ports too", async () => {
  const { word, a, b, run, members, let: lets, reload, service } = await bench("nothing enforced");
  word.isAway = true;
  word.permits.set(a.mac, [CHANNEL]);
  a.join();
  b.join();
  run(2);
  assert.deepEqual([service.status().enforce, lets()], [undefined, ["lan1", "lan2"]]);
  reload(enforced("closed"));
  assert.deepEqual([members(), lets()], [[a.mac, b.mac].sort(), ["lan1", "lan2"]], "control has a moment to answer");
  word.isAway = false;
  // As if the question had taken its way.
  word.told(word.asked.map((mac) => ({ mac, groups: word.permits.get(mac) ?? [] })));
  assert.deepEqual([members(), lets()], [[a.mac], ["lan1"]]);
  assert.deepEqual(service.status().enforce, { stands: true, cards: 2, permitted: 1, ports: "guarded" });
});

for (const afterwards of ["open", "closed"] as const)
  test(`begun while control is away it is ${afterwards} after five seconds, for hosts and ports alike`, async () => {
    const { word, a, run, idle, members, let: lets, reload } = await bench("nothing enforced");
    word.isAway = true;
    a.join();
    run(2);
    reload(enforced(afterwards));
    idle(4);
    assert.deepEqual([members(), lets()], [[a.mac], ["lan1"]]);
    idle(2);
    assert.deepEqual([members(), lets()], afterwards === "open" ? [[a.mac], ["lan1", "lan2"]] : [[], []]);
  });

test("a reload that ends it lets everybody in, and nothing is guarded any more", async () => {
  const { a, idle, run, members, let: lets, lift, service } = await bench("closed");
  a.join();
  idle(10);
  assert.deepEqual([members(), lets()], [[], []]);
  lift();
  await settled();
  run(10);
  assert.deepEqual([members(), lets(), service.status().enforce], [[a.mac], ["lan1", "lan2"], undefined]);
  idle(7200);
  assert.deepEqual(lets(), ["lan1", "lan2"], "and no last word ceases to stand");
});

test("ended and begun again at once, it is guarded again", async () => {
  const { word, a, idle, reload, lift, let: lets } = await bench("closed");
  word.permits.set(a.mac, [CHANNEL]);
  a.join();
  idle(10);
  lift();
  reload(enforced("closed"));
  await settled();
  idle(10);
  assert.deepEqual(lets(), ["lan1"]);
});

test("a reload that enforces other groups, or guards ports, or no longer, is in force at once", async () => {
  const { word, a, b, idle, run, members, let: lets, reload, guard } = await bench("closed");
  word.permits.set(a.mac, [CHANNEL]);
  a.join();
  b.join();
  idle(10);
  assert.deepEqual([members(), lets()], [[a.mac], ["lan1"]]);
  reload(enforced("closed", DARK));
  run(10);
  assert.deepEqual([members(), lets()], [[a.mac, b.mac].sort(), ["lan1", "lan2"]]);
  assert.equal(guard.lets("lan2", DARK), false);
  reload(enforced("closed"));
  run(1);
  assert.deepEqual([members(), lets()], [[a.mac], ["lan1"]]);
  reload(enforced("closed", CHANNEL, { ports: false }));
  await settled();
  assert.deepEqual([members(), lets()], [[a.mac], ["lan1", "lan2"]]);
  reload(enforced("closed"));
  assert.deepEqual([members(), lets()], [[a.mac], ["lan1"]], "a guard that is new is told who may receive");
});

test("control gives what is enforced, and ends it, in place of the file; a restart without control knows it", async () => {
  const policyLog = new MemoryEvidenceLog();
  const word = new Word();
  const begin = async (lacks?: () => HalError) => {
    let guard: Guard | undefined;
    const world = await simulatedRouter({
      entries: CONTROL,
      platform: (_forwarding, _taps, clock) => {
        guard = new Guard(clock);
        guard.lacks = lacks?.();
        return { membershipReports: word, enforcement: guard, policyLog };
      },
    });
    return { ...world, lets: () => ["lan1", "lan2"].filter((port) => guard?.lets(port, CHANNEL)) };
  };
  const first = await begin();
  word.permits.set(first.a.mac, [CHANNEL]);
  first.a.join();
  first.b.join();
  first.run(2);
  word.give(7, enforced("closed"));
  await settled();
  first.run(2);
  assert.deepEqual(first.lets(), ["lan1"]);
  assert.deepEqual(first.service.status().policy.entries, ["enforce"]);
  const second = await begin(() => new HalError("enforcement.missing", "the program nft does not run"));
  assert.ok(
    second.service.status().warnings.some((one) => one.includes("(enforcement.missing)")),
    "it runs without",
  );
  assert.match(word.states.at(-1)?.remarks?.join() ?? "", /enforce: .* not guarded .*\(enforcement\.missing\)/);
  const third = await begin();
  assert.deepEqual(third.lets(), []);
  word.give(8, { enforce: { groups: [], afterwards: "open" } });
  await settled();
  assert.deepEqual([third.lets(), third.service.status().enforce], [["lan1", "lan2"], undefined]);
});

test("a guard that cannot be had is named, and tried again; what the file wants keeps a router from starting without it", async () => {
  const { a, word, run, idle, let: lets, reload, guard, service } = await bench("nothing enforced");
  word.permits.set(a.mac, [CHANNEL]);
  guard.lacks = new HalError("enforcement.missing", "the program nft does not run");
  a.join();
  run(2);
  reload(enforced("closed"));
  assert.deepEqual(lets(), ["lan1", "lan2"]);
  assert.ok(service.status().warnings.some((one) => one.includes("(enforcement.missing)")));
  guard.lacks = undefined;
  idle(31);
  assert.deepEqual([lets(), service.status().warnings], [["lan1"], []]);
  const platform = () => ({ membershipReports: word, enforcement: guard });
  guard.lacks = new HalError("enforcement.missing", "the program nft does not run");
  const starting = simulatedRouter({ entries: { ...CONTROL, ...enforced("closed") }, platform });
  await assert.rejects(starting, { code: "enforcement.missing" });
});
