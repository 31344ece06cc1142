// `status --why`: a whole simulated router for each cause that keeps a group from a host.
import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { CommandRefused } from "../shared/admin.ts";
import { CHANNEL, DARK, simulatedRouter } from "./simulated.testkit.ts";
import type { WhyAnswer } from "./why-words.ts";

const [GROUP, UNSENT] = ["239.255.77.1", "239.255.77.9"];
const A = "10.2.0.11";
const B = "10.2.0.12";

/** That the verdict is this one, on br-lan, and that the sentences say all of that. */
function says(answer: WhyAnswer, verdict: WhyAnswer["verdict"], ...evidence: readonly RegExp[]): void {
  assert.deepEqual([answer.verdict, answer.interface], [verdict, "br-lan"], answer.sentences.join("\n"));
  assert.equal(answer.delivered, verdict === "delivered");
  for (const one of evidence) assert.match(answer.sentences.join("\n"), one);
}

test("delivered, by address, MAC and port, with what the kernel counts now", async () => {
  const { a, run, why } = await simulatedRouter();
  a.join();
  run(3);
  for (const who of [A, a.mac, a.mac.toUpperCase().replaceAll(":", "-"), "lan1"])
    says(
      await why(GROUP, who),
      "delivered",
      /now: 50 packets\/s, 400 kbit\/s from 10\.1\.0\.2 by wan/,
      /10\.2\.0\.11 \(02:.*, port lan1\) is a member/,
    );
});

test("not joined: never heard, while another port watches the group", async () => {
  const { a, run, why } = await simulatedRouter();
  a.join();
  run(3);
  for (const who of [B, "lan2"])
    says(
      await why(GROUP, who),
      "not-joined",
      /was never heard on br-lan/,
      /last query there was \d+ s ago/,
      /last heard of on br-lan from 10\.2\.0\.11 \(02:.*, port lan1\)/,
    );
});

test("not joined: heard of another group", async () => {
  const { b, run, why } = await simulatedRouter();
  b.join();
  run(3);
  says(await why(UNSENT, B), "not-joined", /heard of 239\.255\.77\.1, never of this group/, /Nobody on br-lan/);
});

test("not joined: a MAC that nobody has, and an address of no network of ours", async () => {
  const { run, why } = await simulatedRouter();
  run(1);
  says(await why(GROUP, "02:ff:ff:ff:ff:ff"), "not-joined");
  const stranger = await why(GROUP, "192.0.2.1");
  assert.deepEqual([stranger.verdict, stranger.interface], ["not-joined", undefined]);
  assert.match(stranger.sentences.join("\n"), /no downstream \(br-lan\) has heard of it/);
});

test("no query seen: the querier that won has fallen silent", async () => {
  const { otherQuerier, idle, why } = await simulatedRouter();
  idle(1);
  otherQuerier("10.2.0.2");
  idle(26);
  says(await why(GROUP, B), "no-query", /never heard on br-lan, where no query was seen for 26 s/);
});

test("left at", async () => {
  const { a, run, idle, why } = await simulatedRouter();
  a.join();
  run(3);
  a.leave();
  idle(10);
  says(
    await why(GROUP, A),
    "left",
    /10\.2\.0\.11 .* left 239\.255\.77\.1 on br-lan at \d{4}-.*Z, \d+ s ago/,
    /member for 3 s/,
  );
});

test("timed out at: its cable was pulled", async () => {
  const { a, b, run, idle, why } = await simulatedRouter();
  a.join();
  b.join();
  run(3);
  a.wire.setUp(false);
  idle(60);
  says(
    await why(GROUP, A),
    "timed-out",
    /timed out of 239\.255\.77\.1 on br-lan at/,
    /Queries on br-lan: the last was \d+ s ago/,
    /members there: 1/,
  );
});

test("refused by a limit of its host, whichever group it asked for last", async () => {
  const { a, run, why } = await simulatedRouter({ downstream: { maxGroupsPerHost: 1 } });
  a.join(DARK);
  run(1);
  a.join();
  run(1);
  for (const who of [A, "lan1"])
    says(await why(GROUP, who), "refused", /maxGroupsPerHost|a limit of its host or port/, /last at .*Z/);
  a.join(address("239.255.77.2"));
  run(1);
  says(await why(GROUP, A), "refused", /the last time for 239\.255\.77\.2/);
});

test("refused because it is new, among more of these than are taken at their word; served when it has answered", async () => {
  const { a, service, strangers, idle, run, why } = await simulatedRouter({
    downstream: { newHostsPerMinutePerPort: 1, maxGroups: 20 },
  });
  idle(30);
  // Half of the room, and two who are taken at their word.
  strangers(0, 12);
  idle(0.1);
  a.join();
  idle(0.1);
  strangers(12, 101);
  idle(0.1);
  for (const who of [A, a.mac, "lan1"])
    says(
      await why(GROUP, who, () => {}),
      "refused",
      /answers a query \(`newHostsPerMinutePerPort`\) \(igmp\.port-new-hosts\)/,
    );
  assert.ok((service.status().drops["igmp.port-new-hosts"] ?? 0) > 100);
  assert.match(service.status().warnings.join("\n"), /br-lan: \d\d+ new hosts wait to be let in, \d+ behind port lan1/);
  run(13);
  says(await why(GROUP, A), "delivered");
});

test("refused for want of room, while a flood pushes all that is remembered of it out: the host is judged anew", async () => {
  const { a, service, strangers, idle, why } = await simulatedRouter({ downstream: { maxGroups: 4 } });
  idle(30);
  strangers(0, 4);
  a.join();
  idle(0.1);
  strangers(4, 100);
  idle(0.1);
  for (const who of [A, a.mac])
    says(
      await why(GROUP, who, () => {}),
      "refused",
      /no member of 239\.255\.77\.1 on br-lan, and would be refused if it asked now: .* \(`maxGroups`\) \(igmp\.too-many-groups\)/,
    );
  assert.match(service.status().warnings.join("\n"), /br-lan: no room for groups \(4\)/);
});

test("refused by a rule, by its number, and by the interface's list", async () => {
  const rules = [
    { action: "deny", groups: ["239.1.0.0/16"] },
    { action: "deny", port: "lan1", groups: ["239.255.77.0/24"] },
  ];
  const { a, b, run, why } = await simulatedRouter({ entries: { rules }, downstream: { deny: ["239.255.77.9"] } });
  a.join();
  b.join();
  b.join(DARK);
  run(3);
  says(await why(GROUP, A), "refused", /rule 2 of the file's `rules` decides \(policy\.denied\)/);
  says(await why(GROUP, B), "delivered");
  says(await why(UNSENT, B), "refused", /the interface's `deny` \(the file's\) decides/);
  says(await why("239.255.77.10", A), "not-joined");
});

test("refused because the group does not fit in", async () => {
  const { a, run, why } = await simulatedRouter({
    downstream: { bandwidth: 8000 },
    entries: { bandwidth: { otherChannels: 5000 } },
  });
  a.join(DARK);
  run(1);
  a.join();
  run(1);
  says(await why(GROUP, A), "refused", /does not fit in beside what the interface carries/);
});

test("refused since a reload: who was a member is none any more", async () => {
  const { a, run, reload, why } = await simulatedRouter();
  a.join();
  run(3);
  reload({ rules: [{ action: "deny", host: A }] });
  run(1);
  says(await why(GROUP, A), "refused", /rule 1 of the file's `rules` decides/);
});

test("denied to everybody there by source, though they are members for other sources", async () => {
  const rules = [{ action: "deny", sources: ["10.1.0.2"] }];
  const { a, run, why } = await simulatedRouter({ entries: { rules } });
  a.join();
  run(3);
  says(await why(GROUP, A), "denied", /from 10\.1\.0\.2 may not be received on br-lan/);
});

test("a static group is delivered to whoever is there, members or not", async () => {
  const { run, idle, why } = await simulatedRouter({ downstream: { staticGroups: [{ group: GROUP }] } });
  run(3);
  says(await why(GROUP, B), "delivered", /static group of br-lan/);
  says(await why(GROUP, B, idle), "no-upstream-packets");
});

test("the interface is away", async () => {
  const { a, bridge, run, why } = await simulatedRouter();
  a.join();
  run(3);
  bridge.setUp(false);
  run(1);
  for (const who of [A, B]) says(await why(GROUP, who), "interface-down", /br-lan is not in use/);
});

test("the election is lost to a router that serves the link", async () => {
  const { a, otherQuerier, run, why } = await simulatedRouter({ downstream: { forwarder: "elected" } });
  a.join();
  run(3);
  says(await why(GROUP, A), "delivered");
  otherQuerier("10.2.0.2");
  run(2);
  says(await why(GROUP, A), "lost-election", /lost to 10\.2\.0\.2 \(02:.*, port lan2\), for \d+ s/);
});

test("nothing is routed where the machine bridges", async () => {
  for (const forwarding of ["none", "bridge"]) {
    const platform = () => ({ forwarding: undefined });
    const { a, run, why } = await simulatedRouter({ entries: { forwarding }, platform });
    a.join();
    run(3);
    says(await why(GROUP, A), "not-routed", new RegExp(`\`forwarding\` is ${forwarding}`));
  }
});

test("upstream is not asked: its filter", async () => {
  const { a, run, why } = await simulatedRouter({ upstream: { deny: ["239.255.77.9"] } });
  a.join(DARK);
  run(3);
  says(await why(UNSENT, A), "upstream-not-asked", /wan is not asked for 239\.255\.77\.9: its filter/);
});

test("upstream is not asked: its bound of changes, until it is the group's turn", async () => {
  const { a, run, why } = await simulatedRouter({ upstream: { changesPerSecond: 1 } });
  for (let i = 100; i < 110; i++) a.join(address(`239.255.77.${i}`));
  a.join(DARK);
  run(1);
  says(await why(UNSENT, A), "upstream-not-asked", /waits for its turn \(`changesPerSecond`\)/);
  run(30);
  says(await why(UNSENT, A), "no-upstream-packets");
});

test("upstream is not asked: it is away", async () => {
  const { a, uplink, run, idle, why } = await simulatedRouter();
  a.join(DARK);
  run(1);
  uplink.setUp(false);
  idle(1);
  says(await why(UNSENT, A, idle), "upstream-not-asked", /wan is not asked for .*it is not in use/);
});

test("no upstream packets: the kernel has never asked about the group", async () => {
  const { a, run, why } = await simulatedRouter();
  a.join(DARK);
  run(3);
  says(await why(UNSENT, A), "no-upstream-packets", /wan is asked for the group, but no packet/, /Nobody asks on wan/);
});

test("no upstream packets: the stream has stopped", async () => {
  const { a, run, idle, why } = await simulatedRouter();
  a.join();
  run(3);
  says(
    await why(GROUP, A, idle),
    "no-upstream-packets",
    /No packet of 239\.255\.77\.1 came in on wan in the last second; \d+ had/,
  );
});

test("the source that sends is none that the host asks for", async () => {
  const { a, b, run, why } = await simulatedRouter();
  a.join(CHANNEL, address("10.1.0.99"));
  run(3);
  says(
    await why(GROUP, A),
    "source-not-wanted",
    /from 10\.1\.0\.2 comes in on wan, but nobody on br-lan asks for this source/,
  );
  b.join();
  run(3);
  says(await why(GROUP, B), "delivered");
});

test("the source may not send from where its stream comes in", async () => {
  const { a, run, why } = await simulatedRouter({ upstream: { sources: ["10.1.0.99"] } });
  a.join();
  run(3);
  says(await why(GROUP, A), "foreign-source", /from 10\.1\.0\.2 comes in on wan, from where this source may not send/);
});

test("there is no room for its route", async () => {
  const { a, run, send, why } = await simulatedRouter({ entries: { maxRoutes: 1 } });
  a.join();
  a.join(DARK);
  run(1);
  send(DARK);
  run(1);
  says(await why(UNSENT, A), "no-room", /from 10\.1\.0\.2 came in on wan and found no room/);
  says(await why(GROUP, A), "delivered");
});

test("the stream comes in where the host is", async () => {
  const { a, idle, sendFromLan, why } = await simulatedRouter();
  a.join(DARK);
  idle(1);
  sendFromLan(DARK);
  idle(1);
  says(await why(UNSENT, A, idle), "inbound", /from 10\.2\.0\.13 comes in on br-lan itself/);
});

test("the kernel has lost the forwarding entry", async () => {
  const { a, run, why } = await simulatedRouter({
    platform: (forwarding) => ({
      forwarding: {
        open(listener) {
          const table = forwarding.open(listener);
          return Object.assign(table, { use: () => [] });
        },
      },
    }),
  });
  a.join();
  run(3);
  says(
    await why(GROUP, A),
    "entry-missing",
    /The kernel has no forwarding entry for 239\.255\.77\.1 that leads to br-lan/,
  );
});

test("what is no group, no host, or never routed is refused in words", async () => {
  const { service } = await simulatedRouter();
  const cases: readonly (readonly [object | undefined, RegExp])[] = [
    [undefined, /GROUP must be/],
    [{ group: "10.0.0.1", host: A }, /GROUP must be/],
    [{ group: "224.0.0.251", host: A }, /never leaves its link/],
    [{ group: GROUP }, /HOST must be/],
    [{ group: GROUP, host: "two words" }, /HOST must be/],
  ];
  for (const [input, message] of cases)
    await assert.rejects(
      async () => service.commands.why?.(input),
      (error) => error instanceof CommandRefused && message.test(error.message),
    );
});
