// What others make of our packets: GStreamer's srtpdec (libsrtp) on the loopback interface gives back the source, octet for octet,
// across a change of key and a wrap of the sequence number. ffmpeg takes what it knows: AES-CM, no MKI, ROC 0.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { address } from "../../core/base/ipv4.ts";
import { after, milliseconds } from "../../core/base/time.ts";
import { StreamPath } from "../../core/headend/stream-path.ts";
import { TS_PAYLOAD } from "../../core/mpegts/packet.ts";
import type { Ciphers } from "../../core/ports/cipher.ts";
import { StreamSender } from "../../core/stream/sender.ts";
import { lengthsOf, type Suite } from "../../core/stream/suites.ts";
import { loadNativeCiphers } from "../../hal/cipher/native.ts";
import { nobleCiphers } from "../../hal/cipher/noble.ts";
import { nodeCiphers } from "../../hal/cipher/node.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { NodeDatagrams } from "../../hal/datagram/node.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";

const missing = ["udpsrc", "srtpdec", "rtpmp2tdepay", "filesink"].filter(
  (element) => spawnSync("gst-inspect-1.0", [element]).status !== 0,
);
const skip =
  missing.length > 0
    ? `GStreamer has no ${missing.join(", ")} (apt-get install gstreamer1.0-tools gstreamer1.0-plugins-good gstreamer1.0-plugins-bad)`
    : false;

const SSRC = 0x11223344;
const ROC = 7;
const PACKETS = 300;
const SAMPLE = new Uint8Array(readFileSync("scripts/sample/test-card.mpegts")).subarray(0, PACKETS * TS_PAYLOAD);

const GST: Readonly<Record<Suite, readonly [cipher: string, auth: string]>> = {
  AEAD_AES_128_GCM: ["aes-128-gcm", "null"],
  AEAD_AES_256_GCM: ["aes-256-gcm", "null"],
  AES_CM_128_HMAC_SHA1_80: ["aes-128-icm", "hmac-sha1-80"],
};

interface Keys {
  readonly key: Uint8Array;
  readonly salt: Uint8Array;
}

const keysOf = (suite: Suite): Keys => {
  const lengths = lengthsOf(suite);
  return { key: systemEntropy.bytes(lengths.key), salt: systemEntropy.bytes(lengths.salt) };
};

const hexOf = ({ key, salt }: Keys): string => toHex(key) + toHex(salt);

function capsOf(suite: Suite, first: Keys, second: Keys): string {
  const [cipher, auth] = GST[suite];
  return [
    "application/x-srtp,media=(string)video,encoding-name=(string)MP2T,clock-rate=(int)90000,payload=(int)33",
    `ssrc=(uint)${SSRC},roc=(uint)${ROC}`,
    `srtp-key=(buffer)${hexOf(first)},mki=(buffer)00000001,srtp-key2=(buffer)${hexOf(second)},mki2=(buffer)00000002`,
    `srtp-cipher=(string)${cipher},srtp-auth=(string)${auth},srtcp-cipher=(string)${cipher},srtcp-auth=(string)${auth}`,
  ].join(",");
}

/** A receiver whose socket is open: GStreamer says so when the pipeline plays. */
async function startReceiver(port: number, caps: string, file: string): Promise<ChildProcess> {
  const receiver = spawn(
    "gst-launch-1.0",
    ["-e", "udpsrc", `port=${port}`, "address=127.0.0.1", "buffer-size=4194304", `caps=${caps}`].concat(
      "! srtpdec ! rtpmp2tdepay ! filesink buffer-mode=2".split(" "),
      `location=${file}`,
    ),
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  assert.ok(receiver.stdout);
  let said = "";
  for await (const part of receiver.stdout) {
    said += part;
    if (/New clock|PLAYING/.test(said)) return receiver;
  }
  throw new Error(`GStreamer ended: ${said}`);
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => void systemClock.alarm(after(systemClock.now(), milliseconds(ms)), resolve));

/** Until the file has its size, or for 5 s. */
async function untilWritten(file: string, size: number): Promise<void> {
  for (let i = 0; i < 250 && statSync(file).size < size; i++) await pause(20);
}

async function sendSample(suite: Suite, ciphers: Ciphers, first: Keys, second: Keys, port: number): Promise<void> {
  const socket = await new NodeDatagrams().open(
    { address: address("127.0.0.1"), port: 0 },
    { datagram: () => {}, failed: assert.fail },
  );
  const firstIndex = ROC * 0x10000 + 0xffa0;
  const sender = new StreamSender({ ciphers, suite, mkiLength: 4, ssrc: SSRC, firstIndex });
  sender.install(1, first.key, first.salt);
  sender.switchTo(1);
  const path = new StreamPath({
    sender,
    socket,
    group: address("127.0.0.1"),
    port,
    payloadType: 33,
    content: "ts",
    rtpInput: false,
  });
  for (let n = 0; n < PACKETS; n++) {
    if (n === 150) {
      sender.install(2, second.key, second.salt);
      sender.switchTo(2);
    }
    path.payload(systemClock.now(), SAMPLE, n * TS_PAYLOAD, (n + 1) * TS_PAYLOAD);
    if (n % 10 === 9) await pause(2);
  }
  assert.deepEqual(path.snapshot().drops, {});
  socket.close();
}

const nativeCiphers = await loadNativeCiphers();
const CASES: readonly (readonly [Suite, string, Ciphers])[] = [
  ["AEAD_AES_128_GCM", "node", nodeCiphers],
  ["AEAD_AES_128_GCM", "noble", nobleCiphers],
  ["AEAD_AES_256_GCM", "node", nodeCiphers],
  ["AES_CM_128_HMAC_SHA1_80", "node", nodeCiphers],
  ["AEAD_AES_128_GCM", "native", nativeCiphers],
  ["AEAD_AES_256_GCM", "native", nativeCiphers],
  ["AES_CM_128_HMAC_SHA1_80", "native", nativeCiphers],
];

for (const [i, [suite, driver, ciphers]] of CASES.entries()) {
  test(`GStreamer decrypts ${suite} from the ${driver} driver: MKI, ROC ${ROC}, a wrap and a rekey`, {
    skip,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "sealcast-interop-"));
    const file = join(folder, "out.ts");
    const port = 46_120 + i;
    const [first, second] = [keysOf(suite), keysOf(suite)];
    const receiver = await startReceiver(port, capsOf(suite, first, second), file);
    try {
      await sendSample(suite, ciphers, first, second, port);
      await untilWritten(file, SAMPLE.length);
      assert.ok(Buffer.compare(readFileSync(file), SAMPLE) === 0, `${statSync(file).size} of ${SAMPLE.length} octets`);
    } finally {
      receiver.kill("SIGINT");
      if (receiver.exitCode === null) await once(receiver, "exit");
      rmSync(folder, { recursive: true });
    }
  });
}

const GROUP = address("239.255.77.9");
const FFMPEG_PORT = 46_140;
const noFfmpeg = spawnSync("ffmpeg", ["-version"]).status !== 0 ? "there is no ffmpeg" : false;

/** Until some socket is bound to the port, as the kernel lists it, or for 5 s. */
async function untilBound(port: number): Promise<void> {
  const wanted = `:${port.toString(16).toUpperCase()} `;
  for (let i = 0; i < 250 && !readFileSync("/proc/net/udp", "latin1").includes(wanted); i++) await pause(20);
}

/** The sample at some ten times its speed, again and again until `done`. */
async function sendUntil(done: () => boolean, path: StreamPath): Promise<void> {
  for (let n = 0; n < 40 * PACKETS && !done(); n++) {
    const at = (n % PACKETS) * TS_PAYLOAD;
    path.payload(systemClock.now(), SAMPLE, at, at + TS_PAYLOAD);
    await pause(2);
  }
}

test("ffmpeg plays AES_CM_128_HMAC_SHA1_80 without MKI from ROC 0", { skip: noFfmpeg }, async () => {
  const suite = "AES_CM_128_HMAC_SHA1_80";
  const { key, salt } = keysOf(suite);
  const params = Buffer.from(hexOf({ key, salt }), "hex").toString("base64");
  const ffmpeg = spawn(
    "ffmpeg",
    ["-v", "error", "-probesize", "200000", "-f", "mpegts", "-srtp_in_suite", suite, "-srtp_in_params", params].concat(
      ["-i", `srtp://239.255.77.9:${FFMPEG_PORT}?localaddr=127.0.0.1`],
      "-map 0:v -c copy -frames:v 25 -f null -".split(" "),
    ),
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let complaints = "";
  ffmpeg.stderr?.on("data", (part) => {
    complaints += part;
  });
  const socket = await new NodeDatagrams().open(
    { address: address("127.0.0.1"), port: 0, multicast: { interfaceAddress: address("127.0.0.1") } },
    { datagram: () => {}, failed: assert.fail },
  );
  const sender = new StreamSender({ ciphers: nodeCiphers, suite, mkiLength: 0, ssrc: SSRC, firstIndex: 0 });
  sender.install(1, key, salt);
  sender.switchTo(1);
  const to = { group: GROUP, port: FFMPEG_PORT, payloadType: 33, content: "ts", rtpInput: false } as const;
  try {
    await untilBound(FFMPEG_PORT);
    await sendUntil(() => ffmpeg.exitCode !== null, new StreamPath({ sender, socket, ...to }));
    assert.equal(ffmpeg.exitCode, 0, complaints);
    assert.ok(!complaints.includes("HMAC mismatch"), complaints);
  } finally {
    ffmpeg.kill("SIGKILL");
    socket.close();
  }
});
