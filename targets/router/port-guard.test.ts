// Which ports are guarded as bridges change, and what is told of a guard that fails.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { GuardListener } from "../../core/ports/enforcement.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Link, Links } from "../../core/ports/links.ts";
import { createLogger } from "../shared/log.ts";
import { PortGuard } from "./port-guard.ts";

const log = createLogger({ level: "silent", format: "json", toStderr: true }, "router", "test");

function guard(first: Readonly<Record<string, readonly string[]>>, how: "closed" | "open" = "closed") {
  const calls: string[] = [];
  let listener: GuardListener | undefined;
  let changed: (name: string, link: Link | undefined) => void = () => {};
  const link = (name: string, ports: readonly string[]): Link => ({ name, index: 1, up: true, addresses: [], ports });
  const links: Links = {
    get: (name) => (first[name] === undefined ? undefined : link(name, first[name])),
    list: () => [],
    changes: () => () => {},
    watch: (_names, told) => {
      changed = told;
      return () => {};
    },
    neighbour: () => undefined,
  };
  const enforcement = {
    open({ ports }: { readonly ports: readonly string[] }, told: GuardListener) {
      listener = told;
      calls.push(`open ${ports.join()}`);
      return {
        inherited: () => [],
        setTerms() {},
        guard: (port: string, guarded: boolean) => void calls.push(`${guarded ? "guard" : "free"} ${port}`),
        change() {},
        stand() {},
        close: async () => {},
      };
    },
    removeLeft() {},
  };
  const ports = new PortGuard({ groups: [], afterwards: "closed" }, ["br0", "br1"], { enforcement, links, log }, how);
  return {
    ports,
    listener: listener ?? assert.fail("not opened"),
    calls: () => calls.splice(0),
    has: (name: string, ...now: string[]) => changed(name, link(name, now)),
    goes: (name: string) => changed(name, undefined),
  };
}

test("ports are guarded from the first moment and while they are of one of our bridges", () => {
  const { calls, has, goes } = guard({ br0: ["lan1", "lan2"] });
  assert.deepEqual(calls(), ["open lan1,lan2"]);
  has("br1", "lan3");
  assert.deepEqual(calls(), ["guard lan3"]);
  has("br0", "lan1");
  assert.deepEqual(calls(), ["free lan2"], "it may be in a bridge that is not ours");
  has("br1", "lan3", "lan1");
  has("br0");
  assert.deepEqual(calls(), [], "it has moved from one of ours to another");
  goes("br1");
  assert.deepEqual(calls(), ["free lan3", "free lan1"]);
});

test("one that begins open guards no port before it is shut, and what has become of the ports by then", () => {
  const { ports, calls, has } = guard({ br0: ["lan1", "lan2"] }, "open");
  has("br1", "lan3");
  assert.deepEqual(calls(), ["open "]);
  ports.shut();
  assert.deepEqual(calls(), ["guard lan1", "guard lan2", "guard lan3"]);
});

test("what is wrong with it is its state until all is in force again; a LAN without ports is named", () => {
  const { ports, listener, has } = guard({ br0: [] });
  assert.deepEqual([ports.state, ports.hasPorts("br0"), ports.hasPorts("br1")], ["nothing to guard", false, undefined]);
  has("br1", "lan3");
  assert.deepEqual([ports.state, ports.hasPorts("br0"), ports.hasPorts("br1")], ["guarded", false, true]);
  listener.failed(new HalError("enforcement.lost", "gone"));
  assert.equal(ports.state, "enforcement.lost");
  listener.restored();
  assert.equal(ports.state, "guarded");
});
