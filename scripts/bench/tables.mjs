// One join, one repeated report and one deadline on an interface with 10,000 and 100,000 tracked memberships beside the same with 1,000,
// and the memory of 100,000 beside bare node. Through RouterInterface, packets in and effects out, without sockets.
import { instant } from "../../build/core/base/time.js";
import { median, peakMemory } from "./support/measure.mjs";
import { filledInterface, statementOf } from "./support/memberships.mjs";

const FULL = { sizes: [10_000, 100_000], rounds: 9, batch: 1000 };
const QUICK = { sizes: [10_000], rounds: 3, batch: 100 };
const SMALL = 1000;
/** Reports a second that one core is to take. */
const GOAL = 10_000;

/** Microseconds for each of `count` calls. */
function timed(/** @type {number} */ count, /** @type {(index: number) => void} */ work) {
  const begin = process.hrtime.bigint();
  for (let i = 0; i < count; i++) work(i);
  return Number(process.hrtime.bigint() - begin) / 1000 / count;
}

/**
 * Medians of microseconds: a join that is new, a report that changes nothing, a poll in which one leave's group ends.
 * @param {number} size
 * @param {typeof FULL} plan
 */
function costs(size, { rounds, batch }) {
  const machine = filledInterface(size);
  /** @type {{ join: number[], repeat: number[], poll: number[] }} */
  const taken = { join: [], repeat: [], poll: [] };
  let now = size;
  for (let round = 0; round < rounds; round++) {
    // A group and a host of its own each.
    const numbers = Array.from({ length: batch }, (_, i) => size + 20 * i);
    const [joins, repeats, leaves] = /** @type {const} */ (["to-ex", "is-ex", "to-in"]).map((type) =>
      numbers.map((number) => statementOf(number, type)),
    );
    /** @param {typeof joins} events */
    const hear = (events) => (/** @type {number} */ index) => {
      const event = events?.[index];
      if (event !== undefined) machine.receive(instant(now + index / 1000), event);
    };
    taken.join.push(timed(batch, hear(joins)));
    taken.repeat.push(timed(batch, hear(repeats)));
    timed(batch, hear(leaves));
    // All questions asked, then one group's end after the other.
    const ends = now + 2000;
    machine.poll(instant(ends - 500));
    taken.poll.push(timed(batch, (index) => machine.poll(instant(ends + index / 1000))));
    now = ends + 1000;
  }
  if (machine.hosts().length !== size) throw new Error("the members have not stayed");
  return { join: median(taken.join), repeat: median(taken.repeat), poll: median(taken.poll) };
}

/** @param {{ quick: boolean }} how */
export async function run({ quick }) {
  const plan = quick ? QUICK : FULL;
  costs(SMALL, plan);
  const few = costs(SMALL, plan);
  const against = `with ${SMALL} memberships`;
  const figures = [];
  for (const size of plan.sizes) {
    const many = costs(size, plan);
    for (const [kind, name] of /** @type {const} */ ([
      ["join", "a join"],
      ["repeat", "a report that changes nothing"],
      ["poll", "a deadline"],
    ])) {
      figures.push({
        name: `${name} with ${size} memberships`,
        unit: "µs",
        ours: many[kind],
        against,
        theirs: few[kind],
      });
    }
    const perSecond = 1e6 / many.join;
    figures.push({
      name: `joins with ${size} memberships`,
      unit: "1/s",
      ours: perSecond,
      against: "the goal",
      theirs: GOAL,
    });
  }
  const memory = (/** @type {number} */ count) =>
    peakMemory([`${import.meta.dirname}/support/memberships.mjs`, String(count)]);
  const size = plan.sizes.at(-1) ?? SMALL;
  figures.push({
    name: `peak memory with ${size} memberships`,
    unit: "MiB",
    ours: await memory(size),
    against: "bare node",
    theirs: await peakMemory(["-e", "0"]),
  });
  return figures;
}
