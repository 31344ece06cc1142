import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const skip = !existsSync("dist/router.cjs") && "needs npm run build";
const scratch = mkdtempSync(join(tmpdir(), "sealcast-package-"));
const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
const IPK = `sealcast-router_${version}-1_all.ipk`;
after(() => rmSync(scratch, { recursive: true }));

function build(name: string, environment: Readonly<Record<string, string>> = {}): string {
  const folder = join(scratch, name);
  execFileSync(process.execPath, ["scripts/package/main.mjs", folder], { env: { ...process.env, ...environment } });
  return folder;
}

function unpack(archive: string, name: string): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  execFileSync("tar", ["-xzf", archive, "-C", folder]);
  return folder;
}

const list = (archive: string): string[] =>
  execFileSync("tar", ["-tzf", archive], { encoding: "utf8" }).trim().split("\n");

const sha256 = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

test("two builds are the same, octet for octet, whatever the clock, the zone and the mask of modes", { skip }, () => {
  const one = build("one");
  const before = process.umask(0o077);
  try {
    const two = build("two", { TZ: "Asia/Tokyo", LC_ALL: "tr_TR.UTF-8" });
    assert.equal(sha256(join(one, IPK)), sha256(join(two, IPK)));
  } finally {
    process.umask(before);
  }
  const three = build("three", { SOURCE_DATE_EPOCH: "1700000000" });
  assert.notEqual(sha256(join(one, IPK)), sha256(join(three, IPK)), "its time is the one that is told");
});

test("the .ipk is a gzipped tar of control, data and the format's version", { skip }, () => {
  const outer = unpack(join(build("ipk"), IPK), "outer");
  assert.equal(readFileSync(join(outer, "debian-binary"), "utf8"), "2.0\n");
  const control = unpack(join(outer, "control.tar.gz"), "control");
  const fields = readFileSync(join(control, "control"), "utf8");
  for (const field of [
    "Package",
    "Version",
    "Depends",
    "Source",
    "License",
    "Section",
    "Architecture",
    "Installed-Size",
  ])
    assert.match(fields, new RegExp(`^${field}: .+$`, "m"));
  assert.equal(readFileSync(join(control, "conffiles"), "utf8"), "/etc/config/sealcast-router\n");
  for (const script of ["postinst", "prerm"]) {
    assert.equal(statSync(join(control, script)).mode & 0o777, 0o755);
    assert.match(readFileSync(join(control, script), "utf8"), new RegExp(`^default_${script} `, "m"));
  }
  assert.deepEqual(
    list(join(outer, "data.tar.gz")).filter((path) => !path.endsWith("/")),
    [
      "./etc/config/sealcast-router",
      "./etc/init.d/sealcast-router",
      "./etc/uci-defaults/60-sealcast-router",
      "./lib/upgrade/keep.d/sealcast-router",
      "./usr/bin/sealcast-router",
      "./usr/lib/sealcast-router/router.cjs",
      "./usr/share/licenses/sealcast-router/LICENSE",
      "./usr/share/licenses/sealcast-router/THIRD-PARTY.txt",
    ],
  );
});

test("the package says what it lacks, and does not install beside who wants the same socket", { skip }, () => {
  const outer = unpack(join(build("told"), IPK), "told-outer");
  const fields = readFileSync(join(unpack(join(outer, "control.tar.gz"), "told-control"), "control"), "utf8");
  assert.match(fields, /^Conflicts: igmpproxy, omcproxy$/m);
  assert.match(fields, /^Depends: node$/m, "nothing that is not in the stock feed");
  assert.match(fields, /^Architecture: all$/m, "the addons of all processors are in the one bundle");
  const description = /^Description: (.|\n )*/m.exec(fields)?.[0] ?? "";
  for (const word of ["glibc", "musl", "node-raw-socket", "sealcast_sockets.node"])
    assert.ok(description.includes(word), word);
});

test("the package names the processors whose addon its bundle has, and says which it lacks", { skip }, () => {
  const folder = join(scratch, "processors");
  const { stderr } = spawnSync(process.execPath, ["scripts/package/main.mjs", folder], { encoding: "utf8" });
  const outer = unpack(join(folder, IPK), "processors-outer");
  const fields = readFileSync(join(unpack(join(outer, "control.tar.gz"), "processors-control"), "control"), "utf8");
  const named = / is inside, for (.*);/.exec(fields)?.[1]?.split(", ") ?? [];
  const lacking = [...stderr.matchAll(/^the package has no socket addon for (.*?): /gm)].map(([, name]) => name ?? "");
  assert.deepEqual([...named, ...lacking].sort(), ["aarch64", "arm with an FPU", "riscv64", "x86_64"]);
  const bundle = readFileSync("dist/router.cjs", "latin1");
  const copies = /sealcast_sockets\.node",abi:"napi8",copies:\[(.*?)\]/.exec(bundle)?.[1] ?? "";
  assert.equal([...copies.matchAll(/arch:"/g)].length, named.length, copies.replaceAll(/packed:"[^"]*"/g, ""));
});

test("what the example names in /etc survives an upgrade, and nothing else of the package has to", { skip }, () => {
  const files = "targets/router/openwrt/files";
  const kept = readFileSync(`${files}/lib/upgrade/keep.d/sealcast-router`, "utf8").trim().split("\n");
  const example = readFileSync(`${files}/etc/config/sealcast-router`, "utf8");
  const named = [...example.matchAll(/'(\/etc\/[^']+)'/g)].map(([, path = ""]) => path);
  assert.ok(named.length >= 4);
  assert.deepEqual(
    named.filter((path) => !kept.some((folder) => path.startsWith(folder))),
    [],
  );
});

test("the licences in the .ipk are ours and those of everything in its bundle", { skip }, () => {
  const outer = unpack(join(build("licensed"), IPK), "licensed-outer");
  const folder = join(unpack(join(outer, "data.tar.gz"), "licensed-data"), "usr/share/licenses/sealcast-router");
  assert.ok(readFileSync(join(folder, "LICENSE")).equals(readFileSync("LICENSE")));
  assert.ok(readFileSync(join(folder, "THIRD-PARTY.txt")).equals(readFileSync("dist/router.THIRD-PARTY.txt")));
});

test("the overlay holds the same files with their modes, and our name as a link to node", { skip }, () => {
  const overlay = join(build("overlay-build"), "overlay");
  assert.ok(lstatSync(join(overlay, "usr/bin/sealcast-router")).isSymbolicLink());
  assert.equal(statSync(join(overlay, "etc/init.d/sealcast-router")).mode & 0o777, 0o755);
  assert.equal(statSync(join(overlay, "etc/config/sealcast-router")).mode & 0o777, 0o644);
  assert.ok(readFileSync(join(overlay, "usr/lib/sealcast-router/router.cjs")).equals(readFileSync("dist/router.cjs")));
});
