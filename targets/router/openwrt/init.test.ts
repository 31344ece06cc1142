import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Parts, pathsOf } from "../../shared/schema-paths.testkit.ts";
import { routerConfig } from "../config.ts";
import { BUSYBOX, INIT, type Instance, instance, runInit, settingsOf } from "./init.testkit.ts";

const skip = BUSYBOX === undefined && "needs busybox";

const scratch = mkdtempSync(join(tmpdir(), "sealcast-init-"));
after(() => rmSync(scratch, { recursive: true }));

const ash = (name: string, config: string, text: string, bundle?: string) =>
  runInit(join(scratch, name), config, text, bundle);

const CONFIG = `section router main
option main id box-1
option main socket none
option main log_level debug
option main log_format json
option main forwarding kernel
option main takeover 4
option main taps 1
option main idle 120
option main max_routes 256
option main max_routes_per_source 32
option main metrics_address 127.0.0.2
option main metrics_port 9100
option main igmp_driver packet
option main forwarding_driver native
option main tap_driver packet
option main links_driver netlink
section upstream up
option up network wan
option up version 2
option up force_version 1
option up refresh auto
option up linger 1.5
option up changes_per_second 20
list up allow 239.0.0.0/8
list up deny none
list up scope none
list up source 0.0.0.0/0
list up group 239.255.0.0/16
list up group 239.1.0.0/16
option up bandwidth 100000
section upstream second
option second device eth3
section downstream lan
option lan network lan
list lan router_port lan9
option lan version 3
option lan robustness 3
option lan query_interval 60
option lan query_response_interval 5
option lan last_member_query_interval 0.5
option lan last_member_query_count 3
option lan startup_response 2
option lan flap_grace 30
option lan forwarder elected
list lan querier 10.2.0.0/24
list lan querier_port lan1
option lan max_query_interval 200
option lan leave standard
option lan isolated 1
list lan allow 239.255.0.0/16
list lan allow 239.1.0.0/16
list lan deny 239.255.9.0/24
list lan source 10.3.0.0/16
option lan max_groups 512
option lan max_sources 128
option lan max_host_memberships 5000
option lan max_groups_per_host 16
option lan max_groups_per_port 32
option lan max_sources_per_interface 4096
option lan max_sources_per_host 64
option lan max_sources_per_port 512
option lan joins_per_second 10
option lan new_hosts_per_minute 120
option lan new_hosts_per_minute_per_port 20
list lan proxy 10.2.0.7
list lan proxy 02:00:5e
option lan require_router_alert on
option lan verify_source_subnet yes
option lan checksum link
list lan source_specific 239.232.0.0/16
option lan vlan 7
option lan bandwidth 50000
option lan port_bandwidth 20000
list lan static_group 239.255.1.1
list lan static_group 232.1.1.1 10.1.0.2 10.1.0.3
section downstream tv
option tv device eth1.7
option tv snooping 1
option tv proxy_reporting 1
option tv report_source own
section rule trial
option trial action preview
option trial network lan
option trial vlan 7
option trial port lan3
option trial host 02:00:5e
list trial group 239.1.9.0/24
list trial source 10.1.0.0/16
option trial preview_seconds 120
option trial preview_per_day 2
option trial preview_pause 3600
section rule rest
option rest action deny
list rest group 239.1.9.0/24
section channel sd
list sd group 239.1.0.0/16
option sd kbit_per_second 4000
section channel hd
list hd group 239.1.2.0/24
list hd group 239.1.3.0/24
option hd kbit_per_second 9000
section bandwidth others
option others other_channels 12000
section enforce rights
list rights group 239.1.0.0/16
option rights afterwards closed
option rights ports 0
option rights stands 600
option rights file /etc/sealcast/router.permits
option rights refresh 30
section policy given
option given file /etc/sealcast/router.policy
option given from_control 0
section control control
option control broker mqtts://control.example:8883
option control mqtt_version 5
option control ca /etc/sealcast/ca.pem
option control cert /etc/sealcast/router.pem
option control key /etc/sealcast/router.key
option control identity /etc/sealcast/router.identity
option control reception reception-1
option control reception_key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
option control evidence_file none
option control evidence_limit 1024
`;

const SPACED = CONFIG.replace("eth1.7", "eth1 tv");
const GOLDEN = "targets/router/openwrt/instance.golden.json";

const golden = (): Instance => JSON.parse(readFileSync(GOLDEN, "utf8")) as Instance;

test("UCI becomes the instance of the golden file", { skip }, () => {
  assert.deepEqual(instance(ash("golden", CONFIG, "start_service")), golden());
});

/** As pathsOf. */
function leavesOf(value: unknown, path: string): readonly string[] {
  if (Array.isArray(value)) return value.length === 0 ? [path] : value.flatMap((item) => leavesOf(item, path));
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([name, part]) => leavesOf(part, path === "" ? name : `${path}.${name}`));
}

const argumentPaths = (command: readonly string[]): readonly string[] =>
  command
    .filter((_, i) => command[i - 1] === "--set")
    .map((setting) => setting.replace(/=.*/, "").replace(/\.\d+/g, ""));

test("UCI can say everything that a router's configuration has", () => {
  const { command, file } = golden();
  const said = new Set([...argumentPaths(command), ...leavesOf(file, "")]);
  // `upstream` is the short form of `upstreams` with one.
  const all = new Set(pathsOf(routerConfig as Parts).filter((path) => !path.startsWith("upstream.")));
  assert.deepEqual([...said].sort(), [...all].sort());
});

/** How the table calls what a function of the script adds. */
const KINDS: Readonly<Record<string, string>> = {
  add_text: "text",
  add_text_or_none: "text, `none`",
  add_number: "number",
  add_switch: "0, 1",
  add_list: "list",
  add_list_or_none: "list, `none`",
  add_static_groups: "list: group, and sources",
};

/** Of every line of the script that takes an option: section, option, kind and entry. */
function mapping(): readonly string[] {
  const script = readFileSync(INIT, "utf8");
  return [...script.matchAll(/^add_(\w+)\(\) \{ # section\n([\s\S]*?)^\}/gm)].flatMap(([, section = "", body = ""]) =>
    [...body.matchAll(/^\t(add_\w+) "\$1" (\w+) "?([\w$.]+)/gm)].map(([, how = "", option, path = ""]) =>
      [section === "preview" ? "rule" : section, option, KINDS[how], path.replace("$at", `${section}s`)].join(" | "),
    ),
  );
}

const ROW = /^\| (\w+) \| `(\w+)`(\*?) \| (.+) \| `([\w.]+)` \|$/gm;

test("the table of options is the script's, and the stars are the arguments", () => {
  const table = [...readFileSync("docs/openwrt.md", "utf8").matchAll(ROW)];
  assert.ok(table.length > 50);
  assert.deepEqual(
    table.map(([, section, option, , kind, entry]) => [section, option, kind, entry].join(" | ")),
    mapping(),
  );
  const starred = table.filter(([, , , star]) => star === "*").map(([, , , , , entry]) => entry ?? "");
  const given = argumentPaths(golden().command).filter((path) => !path.endsWith(".interface"));
  assert.deepEqual([...starred].sort(), [...given].sort());
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

test("a change of the configuration, of the network, or an interface in use that comes up reloads", { skip }, () => {
  assert.deepEqual(ash("triggers", CONFIG, "service_triggers").lines, [
    "reload-trigger|sealcast-router|network",
    "interface-trigger|interface.*.up|wan|/etc/init.d/sealcast-router|reload",
    "interface-trigger|interface.*.up|lan|/etc/init.d/sealcast-router|reload",
  ]);
});

test("a value with a space stays one argument", { skip }, () => {
  assert.ok(settingsOf(ash("space", SPACED, "start_service")).includes('downstreams.1.interface="eth1 tv"'));
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

/** Starts, then says UCI `changed` and reloads: what came of the reload. */
function reloaded(name: string, changed: string, environment = ""): readonly string[] {
  ash(name, CONFIG, "start_service");
  return ash(name, changed, `${environment}reload_service`).lines;
}

const opened = (lines: readonly string[]): boolean => lines.includes("open") && lines.includes("close");
const hangups = (lines: readonly string[]): number =>
  lines.filter((line) => line === "signal|sealcast-router|*|HUP").length;

test("a reload without a change does nothing", { skip }, () => {
  assert.deepEqual(reloaded("unchanged", CONFIG), [""]);
});

test("a reload while the network upstream is down does nothing: its device is remembered", { skip }, () => {
  assert.deepEqual(reloaded("redial", CONFIG, "DOWN=wan; "), [""]);
});

test("a network that was never up is waited for by its own name", { skip }, () => {
  const { command } = instance(ash("never", CONFIG, "DOWN=wan; start_service"));
  assert.ok(command.includes('upstreams.0.interface="wan"'));
});

test("what a running router takes over is in the file, which it is told to read again", { skip }, () => {
  const changed = CONFIG.replace("lan leave standard", "lan leave immediate").replace("linger 1.5", "linger 3");
  const lines = reloaded("taken-over", changed);
  assert.ok(opened(lines));
  assert.equal(hangups(lines), 1);
  assert.deepEqual(
    lines.find((line) => line.startsWith("append|command|")),
    ash("before", CONFIG, "start_service").lines.find((line) => line.startsWith("append|command|")),
    "procd sees no difference, and leaves the process alone",
  );
  const { downstreams } = JSON.parse(readFileSync(join(scratch, "taken-over/state.json"), "utf8"));
  assert.equal(downstreams[0].leave, "immediate");
});

test("what a running router does not take over is an argument: procd restarts, and nothing is signalled", {
  skip,
}, () => {
  const changed = CONFIG.replace("main idle 120", "main idle 60").replace("lan leave standard", "lan leave immediate");
  const lines = reloaded("restarted", changed);
  assert.ok(opened(lines));
  assert.equal(hangups(lines), 0);
});

test("a reload starts a router that was stopped", { skip }, () => {
  ash("stopped", CONFIG, "start_service; stop");
  assert.ok(opened(ash("stopped", CONFIG, "reload_service").lines));
});

test("a bad edit leaves the file of the running router alone", { skip }, () => {
  ash("kept", CONFIG, "start_service");
  const before = readFileSync(join(scratch, "kept/state.json"), "utf8");
  const changed = CONFIG.replace("lan leave standard", "lan leave now");
  ash("kept", changed, "reload_service", "#!/bin/sh\nexit 78\n");
  assert.equal(readFileSync(join(scratch, "kept/state.json"), "utf8"), before);
});

const SAY = (file: string): string => `#!/bin/sh\nfor word in "$@"; do echo "$word"; done >${file}\nexit 0\n`;

test("the settings reach the check as the words that procd would pass", { skip }, () => {
  const words = join(scratch, "words");
  ash("words-run", SPACED, "reload_service", SAY(words));
  const said = readFileSync(words, "utf8").trim().split("\n");
  assert.equal(said.at(-1), "check-config");
  assert.deepEqual(
    said.filter((_, i) => said[i - 1] === "--set"),
    settingsOf(ash("words-start", SPACED, "start_service")),
  );
});

test("`ask` is the router's own command line, with the configuration of the router that runs", { skip }, () => {
  const words = join(scratch, "asked");
  const { file } = ash("ask", CONFIG, "ask status --why 239.1.1.1 '10.0.0.1 '", SAY(words));
  const said = readFileSync(words, "utf8").replace(/\n$/, "").split("\n");
  assert.deepEqual(said.slice(1, 3), ["--config", file]);
  assert.deepEqual(said.slice(-4), ["status", "--why", "239.1.1.1", "10.0.0.1 "]);
});

test("text that JSON and the shell would read otherwise arrives as it is", { skip }, () => {
  const odd = `it's "a\\b" $(id)`;
  const changed = CONFIG.replace("eth1.7", odd).replace("lan leave standard", `lan leave ${odd}`);
  // As `read` of the shim sees it.
  const run = ash("odd", changed, "start_service");
  const { command, file } = instance(run);
  const name = command.find((word) => word.startsWith("downstreams.1.interface="))?.replace(/^.*?=/, "");
  assert.equal(JSON.parse(name ?? ""), odd);
  assert.equal(file.downstreams[0]?.leave, odd);
});

test("`option` where `list` is meant is a list of one, and no boundary that is silently not there", { skip }, () => {
  const written = CONFIG.replace(/list lan (allow .*1\.0\.0\/16|deny)/g, "option lan $1").replace(
    /^list lan allow .*\n/m,
    "",
  );
  const { file } = instance(ash("one", written, "start_service"));
  assert.deepEqual([file.downstreams[0]?.allow, file.downstreams[0]?.deny], [["239.1.0.0/16"], ["239.255.9.0/24"]]);
});

const MISSPELT = CONFIG.replace("list lan deny", "list lan denny").replace("section channel hd", "section chanel hd");

test("a word of UCI that nobody reads is a fault: the running router goes on", { skip }, () => {
  const lines = reloaded("misspelt", MISSPELT);
  assert.match(lines[0] ?? "", /goes on with the old one/);
  assert.match(lines[1] ?? "", /^log\|.*\|option denny: nobody reads it here$/);
  assert.match(lines[2] ?? "", /^log\|.*\|section chanel: nobody reads it here$/);
  assert.equal(lines.length, 3);
});

test("the same where nothing else has changed", { skip }, () => {
  assert.match(reloaded("only-misspelt", `${CONFIG}option lan max_grups 3\n`)[1] ?? "", /option max_grups/);
});

test("at a start it is told, and the rest counts: no router is worse than a misspelt one", { skip }, () => {
  const lines = ash("misspelt-start", MISSPELT, "start_service").lines;
  assert.match(lines[0] ?? "", /option denny/);
  assert.ok(opened(lines));
});

test("what is no number keeps its text, so that the check names the entry", { skip }, () => {
  for (const bad of ["1x", "1.2.3", ".", "007"]) {
    const changed = CONFIG.replace("lan query_interval 60", `lan query_interval ${bad}`);
    const { file } = instance(ash(`number-${bad}`, changed, "start_service"));
    assert.equal(file.downstreams[0]?.queryInterval, bad);
  }
});

test("procd starts the next router well before the routes of a killed one are given up", { skip }, () => {
  const delay = (name: string, takeover: string): number => {
    const { respawn } = instance(ash(name, `section router main\n${takeover}`, "start_service"));
    assert.equal(respawn[2], "0", "it never gives up");
    return Number(respawn[1]);
  };
  assert.equal(delay("respawn", ""), 2);
  for (const takeover of [2, 4, 5, 300])
    assert.ok(delay(`respawn-${takeover}`, `option main takeover ${takeover}\n`) * 2 <= takeover);
});

test("the bundle takes the configuration of the golden instance", {
  skip: !existsSync("dist/router.cjs") && "needs npm run build",
}, () => {
  const { command, file } = golden();
  const path = join(scratch, "golden.json");
  writeFileSync(path, JSON.stringify(file));
  const words = command.slice(1).map((word) => (word === "/var/run/sealcast-router.json" ? path : word));
  const done = spawnSync(process.execPath, ["dist/router.cjs", ...words, "check-config"], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
});

const SCRIPTS = ["etc/init.d/sealcast-router", "etc/uci-defaults/60-sealcast-router"];
for (const script of SCRIPTS)
  test(`${script} is what busybox ash can read`, { skip }, () => {
    const done = spawnSync(BUSYBOX ?? "", ["ash", "-n", `targets/router/openwrt/files/${script}`], {
      encoding: "utf8",
    });
    assert.equal(done.stderr, "");
    assert.equal(done.status, 0);
  });
