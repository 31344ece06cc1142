import assert from "node:assert/strict";
import { at, closedAs, edit, inquire, live, octets, receptionId, register, stop } from "./decisions.testkit.ts";
import type { Inquiry } from "./inquiry.ts";
import type { Edit } from "./registry.ts";
import { scenario } from "./stores.testkit.ts";

scenario("an entitled device is permitted and its reception is live", async (store) => {
  await register(store);
  assert.deepEqual(await inquire(store, 1), { kind: "permitted", opened: true });
  const [row] = await live(store);
  assert.deepEqual(row, {
    device: "box1",
    channel: "one",
    reception: receptionId(1),
    subscriber: "sub",
    since: at(1),
    firstEpoch: 1,
    epoch: 1,
    heldUntil: at(31),
    lastSeen: at(1),
  });
});

scenario("a further inquiry renews the reception and takes nothing back", async (store) => {
  await register(store);
  await inquire(store, 1);
  assert.deepEqual(await inquire(store, 20, { epoch: 2 }), { kind: "permitted", opened: false });
  await inquire(store, 21, { epoch: 1, holdsFor: 0 });
  const rows = await live(store);
  assert.deepEqual(
    rows.map(({ since, epoch, heldUntil, lastSeen }) => ({ since, epoch, heldUntil, lastSeen })),
    [{ since: at(1), epoch: 2, heldUntil: at(50), lastSeen: at(21) }],
  );
});

const refusals: readonly [string, Partial<Inquiry>, Edit[], string][] = [
  ["a device that is not registered", { device: "box9" }, [], "device.unknown"],
  ["a device with another key", { deviceKey: octets(9) }, [], "device.unknown"],
  [
    "a suspended subscriber",
    {},
    [{ kind: "subscriber.status", id: "sub", status: "suspended" }],
    "subscriber.inactive",
  ],
  ["a channel that is not registered", { channel: "nine" }, [], "channel.unknown"],
  ["a channel outside the subscriber's packages", { channel: "other" }, [], "not-entitled"],
  [
    "a package that was taken away",
    {},
    [{ kind: "subscription.remove", subscriber: "sub", package: "base" }],
    "not-entitled",
  ],
];
for (const [who, more, edits, reason] of refusals) {
  scenario(`${who} is refused: ${reason}`, async (store) => {
    await register(store);
    for (const change of edits) await edit(store, change);
    assert.deepEqual(await inquire(store, 1, more), { kind: "refused", reason });
    assert.deepEqual(await live(store), []);
  });
}

scenario("a subscription counts from its first moment to just before its last", async (store) => {
  await register(store);
  assert.equal((await inquire(store, -1)).kind, "refused");
  assert.equal((await inquire(store, 0)).kind, "permitted");
  assert.equal((await inquire(store, 9_999)).kind, "permitted");
  assert.deepEqual(await inquire(store, 10_000), { kind: "refused", reason: "not-entitled" });
});

scenario("the limit counts receptions of all the subscriber's devices, and a renewal always passes", async (store) => {
  await register(store);
  await inquire(store, 1);
  await inquire(store, 2, { channel: "two", reception: receptionId(2) });
  const third = { device: "box2", deviceKey: octets(2), reception: receptionId(3) };
  assert.deepEqual(await inquire(store, 3, third), { kind: "refused", reason: "limit.concurrent" });
  assert.equal((await inquire(store, 4)).kind, "permitted");
  assert.equal(await stop(store, 6), "written");
  assert.equal((await inquire(store, 7, third)).kind, "permitted");
});

scenario("another reception of the same device and channel supersedes the first", async (store) => {
  await register(store);
  await inquire(store, 1);
  await inquire(store, 100, { reception: receptionId(2) });
  assert.deepEqual(await closedAs(store), [{ cause: "superseded", since: 1, until: 31 }]);
  assert.deepEqual(
    (await live(store)).map(({ reception }) => reception),
    [receptionId(2)],
  );
  assert.deepEqual(await inquire(store, 101), { kind: "refused", reason: "reception.ended" });
});

scenario(
  "a reception id that is live on another channel or device is refused, so that no bill is lost",
  async (store) => {
    await register(store);
    await inquire(store, 1);
    assert.deepEqual(await inquire(store, 2, { channel: "two" }), { kind: "refused", reason: "reception.ended" });
    const other = { device: "box2", deviceKey: octets(2) };
    assert.deepEqual(await inquire(store, 2, other), { kind: "refused", reason: "reception.ended" });
  },
);

scenario("a renewal after the calendar was set back holds from the new time on", async (store) => {
  await register(store);
  await inquire(store, 5_000);
  await inquire(store, 100);
  await inquire(store, 90, { holdsFor: 10_000 });
  const [row] = await live(store);
  assert.equal(row?.heldUntil, at(100));
});
