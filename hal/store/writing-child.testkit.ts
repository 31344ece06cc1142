// For the crash test: writes usage records as fast as it can and prints each one when it is acknowledged.
import { writeSync } from "node:fs";
import { at, octets, receptionId } from "../../core/reception/decisions.testkit.ts";
import { decideInquiry } from "../../core/reception/inquiry.ts";
import { decideStop } from "../../core/reception/stop.ts";
import { GroupCommit } from "./group-commit.ts";
import { openSqlite } from "./sqlite.ts";

const [path = "", first = "1"] = process.argv.slice(2);
const commits = new GroupCommit(openSqlite({ path }));

async function receptions(n: number): Promise<never> {
  for (let i = n; ; i += 2) {
    const device = `box${(n % 2) + 1}`;
    const what = { device, deviceKey: octets((n % 2) + 1), channel: "one", reception: receptionId(i) };
    await commits.run(() => decideInquiry({ ...what, epoch: 1, holdsFor: 1000 }, at(i % 9_000)));
    await commits.run(() => decideStop({ ...what, cause: "stopped" }, at((i % 9_000) + 1)));
    writeSync(1, `${receptionId(i)}\n`);
  }
}

void receptions(Number(first));
void receptions(Number(first) + 1);
