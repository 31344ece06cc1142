import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { HalError } from "../../core/ports/errors.ts";
import { ask, askRows, CommandRefused, openDoor } from "./admin.ts";

const folder = mkdtempSync(join(tmpdir(), "sealcast-admin-"));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, "a.sock");

/** How far the endless list has come, and whether it was told that nobody reads any more. */
const endless = { rows: 0, ended: false };

async function* count(to: number, failure?: Error): AsyncGenerator<object> {
  for (let n = 0; n < to; n++) yield { n };
  if (failure !== undefined) throw failure;
}

async function* forEver(): AsyncGenerator<object> {
  try {
    for (;;) yield { n: endless.rows++, text: "x".repeat(1000) };
  } finally {
    endless.ended = true;
  }
}

const commands = {
  list: (input: unknown) => count((input as { readonly to: number }).to),
  breaks: () => count(3, new HalError("store.io", "the disk is gone")),
  mistaken: () => count(3, new TypeError("our own mistake")),
  endless: forEver,
  echo: (input: unknown) => input,
  refuse: () => {
    throw new CommandRefused("no such channel: news");
  },
  full: () => {
    throw new HalError("store.full", "the disk is full");
  },
  broken: () => {
    throw new TypeError("our own mistake");
  },
};

async function withDoor(work: (mistakes: unknown[]) => Promise<void>): Promise<void> {
  const mistakes: unknown[] = [];
  const door = await openDoor(path, (error) => mistakes.push(error));
  door.serve({ status: () => ({ packets: 7 }), commands });
  try {
    await work(mistakes);
  } finally {
    await door.close();
  }
}

test("status and commands are answered in JSON; only the owner can reach the socket", () =>
  withDoor(async () => {
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(await ask(path, "/status"), { code: 200, body: { packets: 7 } });
    assert.deepEqual(await ask(path, "/command/echo", { a: 1 }), { code: 200, body: { a: 1 } });
  }));

test("a refusal, a failure of the machine and an unknown command each have their code and words", () =>
  withDoor(async () => {
    assert.deepEqual(await ask(path, "/command/refuse", {}), { code: 422, body: { error: "no such channel: news" } });
    const body = { code: "store.full", error: "the disk is full" };
    assert.deepEqual(await ask(path, "/command/full", {}), { code: 503, body });
    assert.equal((await ask(path, "/command/toString", {}))?.code, 404);
    assert.equal((await ask(path, "/elsewhere"))?.code, 404);
  }));

async function rowsOf(name: string, input: object = {}): Promise<object[]> {
  const asked = await askRows(path, `/command/${name}`, input);
  assert.ok(asked !== undefined && "rows" in asked);
  const rows: object[] = [];
  for await (const row of asked.rows) rows.push(row);
  return rows;
}

test("a list is a JSON array that comes row by row; a refusal in its place is an answer", () =>
  withDoor(async () => {
    assert.deepEqual(await rowsOf("list", { to: 0 }), []);
    assert.deepEqual(await rowsOf("list", { to: 2 }), [{ n: 0 }, { n: 1 }]);
    assert.deepEqual((await ask(path, "/command/list", { to: 2 }))?.body, [{ n: 0 }, { n: 1 }]);
    assert.equal((await rowsOf("list", { to: 50_000 })).length, 50_000);
    assert.equal(((await askRows(path, "/command/refuse", {})) as { code?: number }).code, 422);
  }));

test("a list that breaks off fails with its cause, and is no JSON for anybody else", () =>
  withDoor(async (mistakes) => {
    await assert.rejects(rowsOf("breaks"), { code: "store.io", message: /the disk is gone: the list is not complete/ });
    await assert.rejects(ask(path, "/command/breaks", {}), { code: "socket.protocol" });
    await assert.rejects(rowsOf("mistaken"), { code: "socket.cut-short", message: /the list is not complete/ });
    assert.ok(mistakes[0] instanceof TypeError);
  }));

test("a list goes no further than its reader, and ends when he leaves", () =>
  withDoor(async () => {
    const asked = await askRows(path, "/command/endless", {});
    assert.ok(asked !== undefined && "rows" in asked);
    let read = 0;
    for await (const _ of asked.rows) if (++read === 10_000) break;
    assert.ok(endless.rows < 20_000, `${endless.rows} rows were made for ${read} that were read`);
    while (!endless.ended) await new Promise((resolve) => setImmediate(resolve));
  }));

test("our own mistake in a command is told to the frame, not to the caller", () =>
  withDoor(async (mistakes) => {
    assert.deepEqual(await ask(path, "/command/broken", {}), { code: 500, body: { error: "internal error" } });
    assert.ok(mistakes[0] instanceof TypeError);
  }));

test("arguments that are not JSON, or too large, are refused", () =>
  withDoor(async () => {
    assert.equal(await post("{"), 400);
    assert.equal(await post("x".repeat(2 * 1024 * 1024)), 413);
  }));

/** The status of a command sent with this raw body. */
function post(body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: path, path: "/command/echo", method: "POST" }, (incoming) => {
      incoming.resume();
      resolve(incoming.statusCode ?? 0);
    });
    outgoing.on("error", (error: NodeJS.ErrnoException) => error.code !== "EPIPE" && reject(error));
    outgoing.end(body);
  });
}

test("the socket file of a dead process is replaced, a living one's is not", async () => {
  const dies = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
  spawnSync(process.execPath, ["-e", dies, path]);
  assert.ok(existsSync(path));
  await withDoor(async () => {
    await assert.rejects(
      openDoor(path, () => {}),
      { code: "socket.in-use" },
    );
  });
  assert.equal(existsSync(path), false);
});

test("a file that is not a socket is not replaced", async () => {
  const precious = join(folder, "precious");
  writeFileSync(precious, "text");
  await assert.rejects(
    openDoor(precious, () => {}),
    { code: "socket.open" },
  );
  assert.equal(readFileSync(precious, "utf8"), "text");
});

test("who asks while the service starts waits for its answer", async () => {
  const door = await openDoor(path, () => {});
  const asked = ask(path, "/status");
  door.serve({ status: () => ({ ready: true }), commands: {} });
  assert.deepEqual((await asked)?.body, { ready: true });
  await door.close();
});

test("nobody listening is undefined; something that does not speak JSON is a named failure", async () => {
  assert.equal(await ask(path, "/status"), undefined);
  const other = createServer((_, answer) => answer.end("hello"));
  await new Promise<void>((resolve) => other.listen(path, resolve));
  await assert.rejects(ask(path, "/status"), { code: "socket.protocol" });
  await new Promise((resolve) => other.close(resolve));
});
