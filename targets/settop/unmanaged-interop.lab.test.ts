// Senders that are not ours, on the loopback interface: GStreamer's srtpenc (libsrtp) with and without MKI, and ffmpeg. What comes out of
// the set-top's data plane is what they were given.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { address } from "../../core/base/ipv4.ts";
import { TS_PACKET, TS_SYNC } from "../../core/mpegts/packet.ts";
import type { Output, OutputStatus } from "../../core/ports/output.ts";
import { Playout, type PlayoutStatus } from "../../core/settop/playout.ts";
import { lengthsOf, type MkiLength, type Suite } from "../../core/stream/suites.ts";
import { nodeCiphers } from "../../hal/cipher/node.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { NodeDatagrams } from "../../hal/datagram/node.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";

const SAMPLE = "scripts/sample/test-card.mpegts";
const SOURCE = readFileSync(SAMPLE);
const LOOPBACK = address("127.0.0.1");

/** Keeps what a player would get, in order. */
class Player implements Output {
  readonly parts: Uint8Array[] = [];
  octets = 0;

  write(packet: Uint8Array, _end: number, from: number, to: number): boolean {
    this.parts.push(packet.slice(from, to));
    this.octets += to - from;
    return true;
  }

  status(): OutputStatus {
    return { driver: "player", packets: this.parts.length, octets: this.octets, drops: {}, fault: undefined };
  }

  async close(): Promise<void> {}
}

/** Plays what `sender` sends to the port until `enough` octets are there or it has ended. */
async function play(
  sender: (port: number) => ChildProcess,
  stream: { readonly suite: Suite; readonly mkiLength: MkiLength; readonly key: Uint8Array; readonly mki: number },
  enough: number,
): Promise<{ readonly out: Buffer; readonly status: PlayoutStatus }> {
  const { suite, mkiLength, key, mki } = stream;
  const { key: length } = lengthsOf(suite);
  const player = new Player();
  const playout = new Playout({ ciphers: nodeCiphers, output: player, sign: () => {} }, systemClock.now());
  const keys = [{ epoch: mki, masterKey: key.slice(0, length), masterSalt: key.slice(length) }];
  playout.receiveUnmanaged({ suite, mkiLength, roc: 0, keys });
  let full: () => void = () => {};
  const filled = new Promise<void>((resolve) => {
    full = resolve;
  });
  const datagram = (payload: Uint8Array): void => {
    playout.datagram(systemClock.now(), payload);
    if (player.octets >= enough) full();
  };
  const socket = await new NodeDatagrams().open(
    { address: LOOPBACK, port: 0, receiveBuffer: 4 << 20 },
    { datagram, failed: assert.fail },
  );
  const child = sender(socket.port);
  try {
    await Promise.race([filled, once(child, "exit")]);
  } finally {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    socket.close();
  }
  return { out: Buffer.concat(player.parts), status: playout.status(systemClock.now()) };
}

const missing = ["tsparse", "rtpmp2tpay", "srtpenc", "udpsink"].filter(
  (element) => spawnSync("gst-inspect-1.0", [element]).status !== 0,
);
const noGstreamer =
  missing.length > 0
    ? `GStreamer has no ${missing.join(", ")} (apt-get install gstreamer1.0-tools gstreamer1.0-plugins-good gstreamer1.0-plugins-bad)`
    : false;

const GST: Readonly<Record<Suite, readonly [cipher: string, auth: string]>> = {
  AEAD_AES_128_GCM: ["aes-128-gcm", "null"],
  AEAD_AES_256_GCM: ["aes-256-gcm", "null"],
  AES_CM_128_HMAC_SHA1_80: ["aes-128-icm", "hmac-sha1-80"],
};

function gstreamer(suite: Suite, key: Uint8Array, mki: readonly string[]): (port: number) => ChildProcess {
  const [cipher, auth] = GST[suite];
  const source = ["filesrc", `location=${SAMPLE}`, "!", "tsparse", "set-timestamps=true", "!", "rtpmp2tpay", "!"];
  const protection = [`rtp-cipher=${cipher}`, `rtp-auth=${auth}`, `rtcp-cipher=${cipher}`, `rtcp-auth=${auth}`];
  return (port) =>
    spawn(
      "gst-launch-1.0",
      [
        ...source,
        "srtpenc",
        `key=${toHex(key)}`,
        ...mki,
        ...protection,
        "!",
        "udpsink",
        "host=127.0.0.1",
        `port=${port}`,
      ],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
}

const keyOf = (suite: Suite): Uint8Array => systemEntropy.bytes(lengthsOf(suite).key + lengthsOf(suite).salt);

for (const suite of ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"] as const)
  for (const mkiLength of [0, 4] as const)
    test(`GStreamer's srtpenc, ${suite}, ${mkiLength} octets of MKI: the source, octet for octet`, {
      skip: noGstreamer,
    }, async () => {
      const key = keyOf(suite);
      const [mki, argument] = mkiLength === 0 ? [0, []] : [0xe1f97a0d, ["mki=e1f97a0d"]];
      const { out, status } = await play(gstreamer(suite, key, argument), { suite, mkiLength, key, mki }, 100 * 1316);
      assert.ok(out.length >= 100 * 1316, `${out.length} octets, ${JSON.stringify(status)}`);
      assert.equal(SOURCE.subarray(0, out.length).compare(out), 0);
      assert.deepEqual([status.lost, status.undecryptable, status.drops], [0, 0, {}]);
    });

const noFfmpeg = spawnSync("ffmpeg", ["-version"]).status !== 0 ? "there is no ffmpeg" : false;

test("ffmpeg's srtp output: whole transport stream packets, none lost", { skip: noFfmpeg }, async () => {
  const suite = "AES_CM_128_HMAC_SHA1_80";
  const key = keyOf(suite);
  const params = ["-srtp_out_suite", suite, "-srtp_out_params", Buffer.from(key).toString("base64")];
  const ffmpeg = (port: number): ChildProcess =>
    spawn(
      "ffmpeg",
      ["-v", "error", "-re", "-i", SAMPLE, "-c", "copy", "-f", "rtp_mpegts", ...params].concat(
        `srtp://127.0.0.1:${port}?pkt_size=1400`,
      ),
      { stdio: ["ignore", "ignore", "inherit"] },
    );
  const { out, status } = await play(ffmpeg, { suite, mkiLength: 0, key, mki: 0 }, 50 * 1316);
  assert.ok(out.length >= 50 * 1316, `${out.length} octets, ${JSON.stringify(status)}`);
  for (let at = 0; at + TS_PACKET <= out.length; at += TS_PACKET) assert.equal(out[at], TS_SYNC);
  assert.deepEqual([status.lost, status.undecryptable], [0, 0]);
});
