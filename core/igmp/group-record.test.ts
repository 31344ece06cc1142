// RFC 3376 6.4 row for row, 6.2, 6.3, 6.5, and the vectors of the Linux selftests (tools/testing/selftests/net/forwarding/bridge_igmp.sh).
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AddressSample, overBothFamilies } from "../base/address.testkit.ts";
import type { Address } from "../base/address.ts";
import { seconds } from "../base/time.ts";
import { admits } from "./filter.ts";
import { GroupRecord, type QueryAction } from "./group-record.ts";
import { at, lastOctets, vectorFile } from "./igmp.testkit.ts";
import type { RecordType } from "./messages/report.ts";

const GMI = seconds(260);

interface State {
  readonly include?: number[];
  /** X, whose timers run, and Y, whose timers are zero. */
  readonly exclude?: readonly [x: number[], y: number[]];
}

interface Row {
  readonly section: string;
  readonly from: State;
  readonly type: RecordType;
  readonly named: number[];
  readonly to: string;
  readonly actions?: string;
  /** Seconds at which these sources' timers then end, when the record comes at 10 s. */
  readonly timers?: Readonly<Record<number, number | undefined>>;
  readonly group?: number;
}

// A = {1,2,3} throughout; X = {1,2}, Y = {20,21} in EXCLUDE.
const IN: State = { include: [1, 2, 3] };
const EX: State = {
  exclude: [
    [1, 2],
    [20, 21],
  ],
};

const ROWS: readonly Row[] = [
  // 6.4.1
  {
    section: "6.4.1 INCLUDE(A), IS_IN(B) -> INCLUDE(A+B), (B)=GMI",
    from: IN,
    type: "is-in",
    named: [3, 4],
    to: "INCLUDE(1 2 3 4)",
    timers: { 1: 260, 3: 270, 4: 270 },
  },
  {
    section: "6.4.1 INCLUDE(A), IS_EX(B) -> EXCLUDE(A*B, B-A), (B-A)=0, Delete(A-B), GT=GMI",
    from: IN,
    type: "is-ex",
    named: [1, 4],
    to: "EXCLUDE(1; 4)",
    timers: { 1: 260, 2: undefined, 4: undefined },
    group: 270,
  },
  // 6.4.2
  {
    section: "6.4.1 EXCLUDE(X,Y), IS_IN(A) -> EXCLUDE(X+A, Y-A), (A)=GMI",
    from: EX,
    type: "is-in",
    named: [20, 30],
    to: "EXCLUDE(1 2 20 30; 21)",
    timers: { 1: 260, 20: 270, 30: 270 },
    group: 260,
  },
  {
    section: "6.4.1 EXCLUDE(X,Y), IS_EX(A) -> EXCLUDE(A-Y, Y*A), (A-X-Y)=GMI, Delete(X-A), Delete(Y-A), GT=GMI",
    from: EX,
    type: "is-ex",
    named: [1, 20, 30],
    to: "EXCLUDE(1 30; 20)",
    timers: { 1: 260, 30: 270 },
    group: 270,
  },
  {
    section: "6.4.2 INCLUDE(A), ALLOW(B) -> INCLUDE(A+B), (B)=GMI",
    from: IN,
    type: "allow",
    named: [3, 4],
    to: "INCLUDE(1 2 3 4)",
    timers: { 3: 270, 4: 270 },
  },
  {
    section: "6.4.2 INCLUDE(A), BLOCK(B) -> INCLUDE(A), Send Q(G,A*B)",
    from: IN,
    type: "block",
    named: [1, 20, 30],
    to: "INCLUDE(1 2 3)",
    actions: "Q(G,1)",
  },
  {
    section: "6.4.2 INCLUDE(A), TO_EX(B) -> EXCLUDE(A*B, B-A), (B-A)=0, Delete(A-B), Send Q(G,A*B), GT=GMI",
    from: IN,
    type: "to-ex",
    named: [1, 4],
    to: "EXCLUDE(1; 4)",
    actions: "Q(G,1)",
    group: 270,
  },
  {
    section: "6.4.2 INCLUDE(A), TO_IN(B) -> INCLUDE(A+B), (B)=GMI, Send Q(G,A-B)",
    from: IN,
    type: "to-in",
    named: [3, 4],
    to: "INCLUDE(1 2 3 4)",
    actions: "Q(G,1 2)",
    timers: { 1: 260, 3: 270, 4: 270 },
  },
  {
    section: "6.4.2 EXCLUDE(X,Y), ALLOW(A) -> EXCLUDE(X+A, Y-A), (A)=GMI",
    from: EX,
    type: "allow",
    named: [20, 30],
    to: "EXCLUDE(1 2 20 30; 21)",
    timers: { 20: 270, 30: 270 },
    group: 260,
  },
  {
    section: "6.4.2 EXCLUDE(X,Y), BLOCK(A) -> EXCLUDE(X+(A-Y), Y), (A-X-Y)=GT, Send Q(G,A-Y)",
    from: EX,
    type: "block",
    named: [1, 20, 30],
    to: "EXCLUDE(1 2 30; 20 21)",
    actions: "Q(G,1 30)",
    timers: { 30: 260 },
    group: 260,
  },
  {
    section:
      "6.4.2 EXCLUDE(X,Y), TO_EX(A) -> EXCLUDE(A-Y, Y*A), (A-X-Y)=GT, Delete(X-A), Delete(Y-A), Send Q(G,A-Y), GT=GMI",
    from: EX,
    type: "to-ex",
    named: [1, 20, 30],
    to: "EXCLUDE(1 30; 20)",
    actions: "Q(G,1 30)",
    timers: { 30: 260 },
    group: 270,
  },
  {
    section: "6.4.2 EXCLUDE(X,Y), TO_IN(A) -> EXCLUDE(X+A, Y-A), (A)=GMI, Send Q(G,X-A), Send Q(G)",
    from: EX,
    type: "to-in",
    named: [1, 20],
    to: "EXCLUDE(1 2 20; 21)",
    actions: "Q(G,2) Q(G)",
    timers: { 1: 270, 20: 270 },
    group: 260,
  },
  // The same rows with an empty list: a v1 or v2 report, a leave, and what asks about nobody.
  {
    section: "6.4.1 INCLUDE({}), IS_EX({}): a v2 report",
    from: {},
    type: "is-ex",
    named: [],
    to: "EXCLUDE(; )",
    group: 270,
  },
  {
    section: "6.4.2 EXCLUDE({},{}), TO_IN({}): a leave asks about the group",
    from: { exclude: [[], []] },
    type: "to-in",
    named: [],
    to: "EXCLUDE(; )",
    actions: "Q(G)",
    group: 260,
  },
  {
    section: "6.4.2 INCLUDE(A), TO_IN({}) asks about all sources",
    from: IN,
    type: "to-in",
    named: [],
    to: "INCLUDE(1 2 3)",
    actions: "Q(G,1 2 3)",
  },
  {
    section: "6.4.2 INCLUDE(A), BLOCK of strangers asks nothing",
    from: IN,
    type: "block",
    named: [9],
    to: "INCLUDE(1 2 3)",
  },
  {
    section: "6.4.2 INCLUDE(A), TO_IN(A) asks nothing",
    from: IN,
    type: "to-in",
    named: [1, 2, 3],
    to: "INCLUDE(1 2 3)",
  },
  {
    section: "6.4.2 EXCLUDE(X,Y), BLOCK(Y) asks nothing",
    from: EX,
    type: "block",
    named: [20, 21],
    to: "EXCLUDE(1 2; 20 21)",
  },
];

const SELFTESTS: readonly [name: string, from: State, type: RecordType, named: number[], to: string][] = [
  ["v3include", {}, "is-in", [1, 2, 3], "INCLUDE(1 2 3)"],
  ["v3inc_allow", IN, "allow", [10, 11, 12], "INCLUDE(1 2 3 10 11 12)"],
  ["v3inc_is_include", IN, "is-in", [10, 11, 12], "INCLUDE(1 2 3 10 11 12)"],
  ["v3inc_is_exclude", IN, "is-ex", [1, 2, 20, 21], "EXCLUDE(1 2; 20 21)"],
  ["v3inc_to_exclude", IN, "to-ex", [1, 20, 30], "EXCLUDE(1; 20 30)"],
  ["v3exc_allow", EX, "allow", [20, 30], "EXCLUDE(1 2 20 30; 21)"],
  ["v3exc_is_include", EX, "is-in", [20, 30], "EXCLUDE(1 2 20 30; 21)"],
  ["v3exc_is_exclude", EX, "is-ex", [20, 30], "EXCLUDE(30; 20)"],
  ["v3exc_to_exclude", EX, "to-ex", [1, 20, 30], "EXCLUDE(1 30; 20)"],
  ["v3exc_block", EX, "block", [1, 20, 30], "EXCLUDE(1 2 30; 20 21)"],
];

overBothFamilies(stateTable);

function stateTable<A extends Address>({ suffix, source }: AddressSample<A>): void {
  const sources = (...numbers: number[]): A[] => numbers.map(source);

  /** A record in this state, its timers set at 0 s: group and sources until 260 s. */
  function given(state: State): GroupRecord<A> {
    const record = new GroupRecord<A>(64);
    if (state.include !== undefined) record.apply(at(0), "is-in", sources(...state.include), GMI);
    if (state.exclude !== undefined) {
      const [x, y] = state.exclude;
      record.apply(at(0), "is-ex", sources(...y), GMI);
      // From the first EXCLUDE of an INCLUDE({}) group the sources are Y; those asked for become X.
      record.apply(at(0), "is-in", sources(...x), GMI);
      if (y.length === 0 && x.length === 0) record.apply(at(0), "is-ex", [], GMI);
    }
    return record;
  }

  function stateText(record: GroupRecord<A>, now = at(10)): string {
    const filter = record.filter(now);
    if (filter.mode === "include") return `INCLUDE(${lastOctets(filter.sources)})`;
    return `EXCLUDE(${lastOctets(record.requested(now))}; ${lastOctets(filter.sources)})`;
  }

  const actionsText = (actions: readonly QueryAction<A>[]): string =>
    actions.map((action) => (action.kind === "group" ? "Q(G)" : `Q(G,${lastOctets(action.sources)})`)).join(" ");

  for (const row of ROWS) {
    test(`RFC 3376 ${row.section}${suffix}`, () => {
      const record = given(row.from);
      const { actions, refused } = record.apply(at(10), row.type, sources(...row.named), GMI);
      assert.equal(stateText(record), row.to);
      assert.equal(actionsText(actions), row.actions ?? "");
      assert.equal(refused, 0);
      for (const [n, until] of Object.entries(row.timers ?? {})) {
        assert.equal(record.sourceTimer(source(Number(n))), until === undefined ? undefined : at(until), `source ${n}`);
      }
      if (row.group !== undefined) assert.equal(record.groupTimer(), at(row.group));
    });
  }

  for (const [name, from, type, named, to] of SELFTESTS) {
    test(`Linux bridge_igmp.sh ${name}${suffix}`, () => {
      const record = given(from);
      record.apply(at(10), type, sources(...named), GMI);
      assert.equal(stateText(record), to);
      const stranger = admits(record.filter(at(10)), source(100));
      assert.equal(stranger, to.startsWith("EXCLUDE"), "192.0.2.100 is forwarded in EXCLUDE mode only");
    });
  }

  test(`360 records in 60 groups: every state is the one that the Linux bridge reached${suffix}`, () => {
    const { groups } = vectorFile<{ groups: [RecordType, string, string][][] }>("linux-bridge.json");
    for (const steps of groups) {
      const record = new GroupRecord<A>(64);
      const heard: string[] = [];
      for (const [i, [type, named, then]] of steps.entries()) {
        const list = named === "" ? [] : sources(...named.split(" ").map(Number));
        heard.push(`${type} {${named}}`);
        for (const action of record.apply(at(i / 100), type, list, GMI).actions) {
          if (action.kind === "group") record.lowerGroup(at(i / 100), seconds(2));
          else record.lowerSources(at(i / 100), action.sources, seconds(2));
        }
        assert.equal(stateText(record, at(i / 100)), then, heard.join(", "));
      }
    }
  });

  test(`Linux bridge_igmp.sh v3inc_block: the blocked source goes when nobody answers for it${suffix}`, () => {
    const record = given(IN);
    const { actions } = record.apply(at(10), "block", sources(1, 20, 30), GMI);
    for (const action of actions)
      if (action.kind === "sources") record.lowerSources(at(10), action.sources, seconds(2));
    assert.equal(stateText(record, at(13)), "INCLUDE(2 3)");
  });

  test(`Linux bridge_igmp.sh v3exc_timeout: the group timer's end makes INCLUDE of the sources still asked for${suffix}`, () => {
    const record = new GroupRecord<A>(64);
    record.apply(at(0), "is-in", sources(1, 2, 3), seconds(3));
    record.apply(at(0), "is-ex", sources(1, 2, 20, 21), seconds(3));
    record.apply(at(0.5), "allow", sources(20, 30), GMI);
    assert.equal(stateText(record, at(2.9)), "EXCLUDE(1 2 20 30; 21)");
    assert.equal(stateText(record, at(3.5)), "INCLUDE(20 30)");
    assert.ok(!admits(record.filter(at(3.5)), source(1)));
    assert.ok(!admits(record.filter(at(3.5)), source(100)));
  });

  test(`RFC 3376 6.3: forwarding follows the mode and the timers${suffix}`, () => {
    const include = given(IN);
    assert.ok(admits(include.filter(at(1)), source(1)));
    assert.ok(!admits(include.filter(at(1)), source(9)));
    const exclude = given(EX);
    assert.ok(admits(exclude.filter(at(1)), source(1)), "timer running");
    assert.ok(!admits(exclude.filter(at(1)), source(20)), "timer zero");
    assert.ok(admits(exclude.filter(at(1)), source(9)), "unknown");
  });

  test(`RFC 3376 6.2.3: in EXCLUDE mode a source whose timer ends is kept, and blocked${suffix}`, () => {
    const record = given({ exclude: [[1, 2], [20]] });
    record.apply(at(100), "is-ex", sources(1, 2, 20), GMI);
    assert.equal(record.nextDeadline(), at(260));
    assert.equal(stateText(record, at(260)), "EXCLUDE(; 1 2 20)");
    assert.equal(record.nextDeadline(), at(360));
  });

  test(`RFC 3376 6.5: an EXCLUDE group without sources asked for ends with its group timer${suffix}`, () => {
    const record = given({ exclude: [[], [20, 21]] });
    assert.equal(stateText(record, at(259)), "EXCLUDE(; 20 21)");
    assert.equal(stateText(record, at(260)), "INCLUDE()");
    assert.equal(record.nextDeadline(), undefined);
  });

  test(`RFC 3376 6.6.1: lowering never raises, and says whose timers were longer${suffix}`, () => {
    const record = given({ exclude: [[1, 2], []] });
    assert.deepEqual(record.lowerSources(at(10), sources(1, 9), seconds(2)), sources(1));
    assert.equal(record.sourceTimer(source(1)), at(12));
    assert.deepEqual(record.lowerSources(at(11), sources(1), seconds(2)), []);
    assert.equal(record.sourceTimer(source(1)), at(12));
    record.lowerGroup(at(10), seconds(2));
    record.lowerGroup(at(11), seconds(2));
    assert.equal(record.groupTimer(), at(12));
    const include = given(IN);
    include.lowerGroup(at(10), seconds(2));
    assert.equal(include.groupTimer(), undefined);
  });

  test(`a list longer than the limit keeps what fits and counts the rest; known sources always fit${suffix}`, () => {
    const record = new GroupRecord<A>(3);
    assert.equal(record.apply(at(0), "allow", sources(1, 2, 3, 4, 5), GMI).refused, 2);
    assert.equal(record.apply(at(1), "allow", sources(1, 2, 3), GMI).refused, 0);
    assert.equal(stateText(record), "INCLUDE(1 2 3)");
    assert.equal(record.apply(at(2), "is-ex", sources(7, 8, 9), GMI).refused, 0, "those given up make room first");
    assert.equal(stateText(record), "EXCLUDE(; 7 8 9)");
  });
}
