import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { BUSYBOX, INIT, instance, runInit } from "./init.testkit.ts";

const skip = BUSYBOX === undefined && "needs busybox";

const scratch = mkdtempSync(join(tmpdir(), "sealcast-init-"));
after(() => rmSync(scratch, { recursive: true }));

const ash = (name: string, config: string, text: string, bundle?: string) =>
  runInit(join(scratch, name), config, text, bundle);

const CONFIG = `section router main
option main id box-1
option main taps 0
option main max_routes 256
section upstream up
option up network wan
section downstream lan
option lan network lan
option lan version 3
option lan query_interval 60
option lan last_member_query_count 3
option lan max_sources 128
option lan leave standard
option lan isolated 1
option lan forwarder elected
list lan querier 10.2.0.0/24
list lan querier_port lan1
option lan flap_grace 30
option lan checksum link
list lan source_specific 239.232.0.0/16
list lan allow 239.255.0.0/16
list lan allow 239.1.0.0/16
section downstream tv
option tv device eth1.7
section control control
option control broker mqtts://control.example:8883
option control mqtt_version 5
option control ca /etc/sealcast/ca.pem
option control cert /etc/sealcast/router.pem
option control key /etc/sealcast/router.key
option control identity /etc/sealcast/router.identity
option control reception reception-1
option control reception_key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
`;

const SPACED = CONFIG.replace("eth1.7", "eth1 tv");

test("UCI becomes the instance of the golden file", { skip }, () => {
  const { lines } = ash("golden", CONFIG, "start_service");
  assert.deepEqual(instance(lines), JSON.parse(readFileSync("targets/router/openwrt/instance.golden.json", "utf8")));
});

test("streams get through the firewall, which is told of the rules at start and stop", { skip }, () => {
  const { lines } = ash("firewall", CONFIG, "start; stop");
  const rules = lines.filter((line) => line.startsWith("firewall|"));
  for (const device of ["br-wan", "br-lan", "eth1.7"]) {
    assert.ok(rules.some((rule) => rule.includes(`device=${device} `) && rule.includes("proto=igmp")));
    const through = rules.find((rule) => rule.includes(`device=${device} `) && rule.includes("proto=udp"));
    assert.match(through ?? "", /src=\* .*direction=in .*target=ACCEPT dest=\* dest_ip=224\.0\.0\.0\/4$/);
  }
  assert.equal(lines.filter((line) => line === "config-changed|firewall").length, 2);
});

test("a change of the configuration, of the network, or of an interface that is used reloads", { skip }, () => {
  assert.deepEqual(ash("triggers", CONFIG, "service_triggers").lines, [
    "reload-trigger|sealcast-router|network",
    "interface-trigger|interface.*|wan|/etc/init.d/sealcast-router|reload",
    "interface-trigger|interface.*|lan|/etc/init.d/sealcast-router|reload",
  ]);
});

test("UCI can say everything that a router's configuration has", { skip }, () => {
  const script = readFileSync(INIT, "utf8");
  const source = readFileSync("targets/router/config.ts", "utf8");
  const entries = [...source.matchAll(/^ {4,}(\w+): v\.optional|^ {2}(\w+): v\.optional/gm)].map(
    ([, inner, outer]) => inner ?? outer ?? "",
  );
  assert.ok(entries.length >= 16, entries.join());
  const missing = entries.filter((entry) => !new RegExp(`\\b${entry}\\b`).test(script));
  assert.deepEqual(missing, []);
});

test("a value with a space stays one argument", { skip }, () => {
  const { lines } = ash("space", SPACED, "start_service");
  assert.ok(instance(lines).command.includes('downstreams.1.interface="eth1 tv"'));
});

test("a stop ends the streams at once; a restart and a package's upgrade hand over", { skip }, () => {
  const signals = (name: string, text: string) =>
    ash(name, CONFIG, text).lines.filter((line) => line.startsWith("signal|"));
  assert.deepEqual(signals("stop", "stop"), ["signal|sealcast-router|*|INT"]);
  assert.deepEqual(signals("restart", "restart"), []);
  assert.deepEqual(signals("upgrade", "PKG_UPGRADE=1; stop; start"), []);
});

test("a disabled router opens no instance", { skip }, () => {
  assert.deepEqual(ash("disabled", `${CONFIG}option main enabled 0\n`, "start_service").lines, [""]);
});

test("a reload with a bad configuration leaves the running router alone and says so", { skip }, () => {
  const { lines, code } = ash("bad", CONFIG, "reload_service", "#!/bin/sh\nexit 78\n");
  assert.equal(code, 1);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /^log\|.*goes on with the old one/);
});

test("a reload with a bad configuration says in the log what is wrong with it", { skip }, () => {
  const bundle = "#!/bin/sh\necho 'downstreams.0.version: must be 2 or 3' >&2\nexit 78\n";
  const { lines } = ash("named", CONFIG, "reload_service", bundle);
  assert.match(lines[1] ?? "", /^log\|.*downstreams\.0\.version: must be 2 or 3$/);
});

test("a router that is switched off stops, whatever else is wrong with its configuration", { skip }, () => {
  const { lines } = ash("off", `${CONFIG}option main enabled 0\n`, "reload_service", "#!/bin/sh\nexit 78\n");
  assert.deepEqual(lines, ["config-changed|firewall"]);
});

test("a reload with a good configuration opens the instance anew", { skip }, () => {
  const { lines } = ash("good", CONFIG, "reload_service");
  assert.ok(lines.includes("open") && lines.includes("close"));
});

test("the settings reach the check as the words that procd would pass", { skip }, () => {
  const bundle = `#!/bin/sh\nfor word in "$@"; do echo "$word"; done >${join(scratch, "words")}\nexit 0\n`;
  ash("words-run", SPACED, "check_config", bundle);
  const words = readFileSync(join(scratch, "words"), "utf8").trim().split("\n");
  assert.equal(words[1], "check-config");
  assert.ok(words.includes('downstreams.1.interface="eth1 tv"'));
});

test("the bundle takes the settings of the golden instance", {
  skip: !existsSync("dist/router.cjs") && "needs npm run build",
}, () => {
  const golden = JSON.parse(readFileSync("targets/router/openwrt/instance.golden.json", "utf8")) as {
    command: string[];
  };
  const settings = golden.command.slice(1);
  const done = spawnSync(process.execPath, ["dist/router.cjs", "check-config", ...settings], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
});

const SCRIPTS = [
  "etc/init.d/sealcast-router",
  "etc/uci-defaults/60-sealcast-router",
  "etc/hotplug.d/iface/60-sealcast-router",
];
for (const script of SCRIPTS)
  test(`${script} is what busybox ash can read`, { skip }, () => {
    const done = spawnSync(BUSYBOX ?? "", ["ash", "-n", `targets/router/openwrt/files/${script}`], {
      encoding: "utf8",
    });
    assert.equal(done.stderr, "");
    assert.equal(done.status, 0);
  });
