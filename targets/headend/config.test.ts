import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address } from "../../core/base/ipv4.ts";
import { loadConfig } from "../shared/config.ts";
import { headendConfig, interfacesOf, timesOf } from "./config.ts";

const RIGHT = [
  "id=h1",
  "identity=/etc/sealcast/h1.json",
  "broker.url=mqtt://control:1883",
  "keyServer.id=control",
  `keyServer.publicKey=${"01".repeat(32)}`,
  "channels.0.id=news",
  "channels.0.group=239.255.77.1",
  "channels.0.port=5004",
  "channels.0.input.kind=file",
  "channels.0.input.path=/srv/news.ts",
];

const faultsOf = (...settings: string[]): readonly string[] => {
  const checked = loadConfig(headendConfig, undefined, [...RIGHT, ...settings]);
  return checked.ok ? [] : checked.faults.map(({ path, message }) => `${path}: ${message}`);
};

test("the least configuration gets the defaults of the design", () => {
  const checked = loadConfig(headendConfig, undefined, RIGHT);
  assert.ok(checked.ok);
  const [channel] = checked.config.channels;
  assert.ok(channel);
  assert.deepEqual(
    [channel.suite, channel.mki, channel.keys, channel.content],
    ["AEAD_AES_128_GCM", 4, "headend", "ts"],
  );
  assert.deepEqual(timesOf(channel), {
    interval: 300_000,
    lead: 10_000,
    window: 6000,
    overlap: 2000,
    shortestLead: 1000,
  });
});

test("a short interval shortens lead, window and shortest lead with it", () => {
  const checked = loadConfig(headendConfig, undefined, [...RIGHT, "channels.0.interval=1.5"]);
  assert.ok(checked.ok && checked.config.channels[0]);
  assert.deepEqual(timesOf(checked.config.channels[0]), {
    interval: 1500,
    lead: 750,
    window: 450,
    overlap: 2000,
    shortestLead: 750,
  });
});

for (const [settings, fault] of [
  [["channels.0.lead=300"], "channels.0.lead: must be shorter than the interval"],
  [["channels.0.window=11"], "channels.0.window: must not be longer than the lead"],
  [["channels.0.content=datagram"], "channels.0.input: has no PCRs as content is datagram: needs a bitrate"],
  [["channels.0.largest=1000"], "channels.0.largest: must be 1316 or more for a file"],
  [
    ["channels.0.position=zero", "channels.0.keys=key-server"],
    "channels.0.position: zero needs keys that are made by the headend",
  ],
  [["channels.0.group=10.0.0.1"], "channels.0.group: must be a multicast group, 224.0.0.0 to 239.255.255.255"],
  [["channels.0.input.path="], "channels.0.input.path: Invalid length: Expected >=1 but received 0"],
  [["channels.0.inptu=1"], "channels.0.inptu: is not an entry of this configuration"],
] as const) {
  test(`named with its path: ${fault}`, () => assert.deepEqual(faultsOf(...settings), [fault]));
}

test("two channels must not share id, group and port, or standard input; every fault is listed at once", () => {
  const second = ["id=news", "group=239.255.77.1", "port=5004", "input.kind=stdin"].map((s) => `channels.1.${s}`);
  const third = ["id=film", "group=239.255.77.2", "port=5004", "input.kind=stdin"].map((s) => `channels.2.${s}`);
  assert.deepEqual(faultsOf(...second, ...third), [
    "channels.1.id: channel news is there twice",
    "channels.1.group: 239.255.77.1:5004 is there twice",
    "channels.2.input: standard input is there twice",
  ]);
});

test("an interface by name or address, under the entry's name of now or of before, not under both", () => {
  const interfaces = (...settings: string[]) => {
    const checked = loadConfig(headendConfig, undefined, [...RIGHT, ...settings]);
    return checked.ok ? interfacesOf(checked.config) : checked.faults.map(({ path, message }) => `${path}: ${message}`);
  };
  assert.deepEqual(interfaces(), [ANY]);
  for (const entry of ["interface", "interfaceAddress"]) {
    assert.deepEqual(interfaces(`${entry}=eth0.7`), ["eth0.7"]);
    assert.deepEqual(interfaces(`${entry}=10.0.0.1`), [address("10.0.0.1")]);
    assert.deepEqual(interfaces(`${entry}=eth0`, `channels.0.${entry}=eth1`), ["eth1"]);
    assert.match(interfaces(`${entry}=10.0.0.300`).join(), /neither an IPv4 address nor the name/);
    assert.match(interfaces(`${entry}=an interface`).join(), /neither an IPv4 address nor the name/);
  }
  const udp = ["channels.0.input={}", "channels.0.input.kind=udp", "channels.0.input.port=5000"];
  const both = ["", "channels.0.", "channels.0.input."].map((at) => [`${at}interface=a`, `${at}interfaceAddress=b`]);
  assert.deepEqual(
    interfaces(...udp, ...both.flat()),
    ["interface", "channels.0.interface", "channels.0.input.interface"].map(
      (path) => `${path}: is interfaceAddress by its new name: give one of them`,
    ),
  );
  assert.deepEqual(interfaces(...udp, "channels.0.input.address=239.1.1.1", "channels.0.input.interface=eth2"), [
    ANY,
    "eth2",
  ]);
});
