// The lab itself: the places reach each other, kernels speak IGMP on the right links, and nothing is left behind.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { Mosquitto } from "./broker.mjs";
import { command } from "./command.mjs";
import { isJoin, isLeave } from "./igmp.mjs";
import { sweep } from "./network.mjs";
import { Run } from "./run.mjs";
import { ADDRESS, figureTwo } from "./topology.mjs";

const GROUP = "239.41.0.9";
const RECEIVER = `${import.meta.dirname}/receiver.mjs`;
/** @type {Run} */
let run;
/** @type {ReturnType<typeof figureTwo>} */
let places;

before(() => {
  run = new Run();
  places = figureTwo(run.network);
});
after(() => run.close());

test("a message from the headend reaches a set-top through a broker in the core", async () => {
  const broker = await new Mosquitto(run, places.control, { address: ADDRESS.control, port: 1883 }).start();
  const listen = ["-h", ADDRESS.control, "-t", "lab", "-C", "1"];
  const listener = run.start("listener", { place: places.settop11, program: "mosquitto_sub", args: listen });
  await broker.process.line(/Sending SUBACK/);
  places.headend.run("mosquitto_pub", "-h", ADDRESS.control, "-t", "lab", "-m", "across");
  assert.equal(await listener.line(/./), "across");
  assert.equal(await listener.exited, 0);
});

test("a kernel join is a v3 report on the joiner's bridge port, and its end a leave", async () => {
  const mine = await run.capture(places.router12, "lan11", "igmp");
  const receiver = run.start("receiver", { place: places.settop11, program: "node", args: [RECEIVER, GROUP, "5000"] });
  const join = await mine.first("a join", isJoin(GROUP));
  assert.equal(join.source, ADDRESS.settop11);
  assert.equal(join.ttl, 1);
  await receiver.stop();
  await mine.first("a leave", isLeave(GROUP));
});

test("a run that is killed leaves nothing once the next one has swept", async () => {
  const text = `
    import { Run } from "${import.meta.dirname}/run.mjs";
    const run = new Run();
    const place = run.network.namespace("victim");
    const child = run.start("child", { place, program: "sleep", args: ["600"] });
    process.stdout.write(place.name + "\\n");`;
  const victim = run.start("victim", {
    place: { name: "here", inside: (program, args) => [program, args] },
    program: "node",
    args: ["--input-type=module", "-e", text],
  });
  const name = await victim.line(/^scl\d+-victim$/);
  await victim.kill();
  assert.ok(command("ip", ["netns", "list"]).includes(name), "the killed run left its namespace");
  sweep();
  assert.ok(!command("ip", ["netns", "list"]).includes(name), "the sweep removed it");
});

test("a run that is interrupted removes its namespaces and its directory by itself", async () => {
  const text = `
    import { Run } from "${import.meta.dirname}/run.mjs";
    const run = new Run();
    const place = run.network.namespace("interrupted");
    run.start("child", { place, program: "sleep", args: ["600"] });
    process.stdout.write(place.name + " " + run.directory + "\\n");`;
  const victim = run.start("interrupted", {
    place: { name: "here", inside: (program, args) => [program, args] },
    program: "node",
    args: ["--input-type=module", "-e", text],
  });
  const [name = "", directory = ""] = (await victim.line(/^scl\d+-interrupted /)).split(" ");
  victim.signal("SIGINT");
  assert.equal(await victim.exited, 130);
  assert.ok(!command("ip", ["netns", "list"]).includes(name));
  assert.ok(!existsSync(directory));
});
