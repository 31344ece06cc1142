// A capture in its own time: what is told when, what goes onto the wire when, and how it ends early.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AlarmClock } from "../../core/base/alarm.ts";
import { address } from "../../core/base/ipv4.ts";
import { type Instant, instant, unixTime } from "../../core/base/time.ts";
import type { CapturedPacket } from "../../core/capture/captured-packet.ts";
import { Impairment } from "../../core/capture/impairment.ts";
import { Replay } from "../../core/capture/replay.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../../core/igmp/messages/v1-v2-message.ts";
import type { FrameSender, SendOutcome } from "../../core/ports/frame-sender.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import type { Batch } from "./input.ts";
import { Pace } from "./pace.ts";
import { Player } from "./player.ts";
import { Transmission } from "./transmission.ts";

const START = 1_700_000_000_000;

/** A v2 report of 239.1.1.`group`, so many seconds after the start. */
function packet(at: number, group: number): CapturedPacket {
  const bytes = new Uint8Array(V1_V2_LENGTH);
  writeV1V2Message(bytes, address("10.0.0.1"), "v2Report", address(`239.1.1.${group}`));
  return { at: unixTime(START + at * 1000), linkType: 101, source: undefined, bytes, length: bytes.length };
}

/** Whoever waits for an alarm has it at once, and the time with it. */
class JumpingClock implements AlarmClock {
  #now = instant(5000);

  now(): Instant {
    return this.#now;
  }

  alarm(at: Instant, ring: () => void) {
    let cancelled = false;
    queueMicrotask(() => {
      if (cancelled) return;
      this.#now = at;
      ring();
    });
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  }
}

/** Frames with the seconds at which they were sent; the outcomes that are given come first. */
class NotedSender implements FrameSender {
  readonly interfaceName = "lan0";
  readonly log: string[] = [];
  readonly outcomes: SendOutcome[] = [];
  readonly #clock: AlarmClock;

  constructor(clock: AlarmClock) {
    this.#clock = clock;
  }

  send(frame: Uint8Array): SendOutcome {
    const outcome = this.outcomes.shift() ?? "sent";
    this.log.push(`${(this.#clock.now() - 5000) / 1000} ${frame.at(-1)} ${outcome}`);
    return outcome;
  }

  close(): void {}
}

interface Bench {
  readonly speed?: number;
  readonly onTold?: (player: Player, log: readonly string[]) => boolean;
}

function bench({ speed, onTold = () => true }: Bench = {}) {
  const clock = new JumpingClock();
  const sender = new NotedSender(clock);
  const told: string[] = [];
  const replay = new Replay({}, ({ kind }) => told.push(`${(clock.now() - 5000) / 1000} ${kind}`));
  const good = new Impairment({ loss: 0, reorder: 0 }, new SeededEntropy(1));
  const transmission = new Transmission(sender, good, false);
  const player: Player = new Player({
    replay,
    pace: speed === undefined ? undefined : new Pace(clock, speed),
    transmission,
    told: async () => onTold(player, told),
  });
  return { clock, sender, told, replay, player, transmission };
}

async function* batches(...parts: Batch[]): AsyncGenerator<Batch, void> {
  yield* parts;
}

test("as recorded: each packet goes out in its time", async () => {
  const { player, sender } = bench({ speed: 1 });
  await player.play(batches([packet(0, 1), packet(1.5, 2)], [packet(4, 3)]), true);
  assert.deepEqual(sender.log, ["0 1 sent", "1.5 2 sent", "4 3 sent"]);
});

test("twice as fast, and as fast as possible", async () => {
  const twice = bench({ speed: 2 });
  await twice.player.play(batches([packet(0, 1), packet(3, 2)]), true);
  assert.deepEqual(twice.sender.log, ["0 1 sent", "1.5 2 sent"]);
  const fast = bench();
  await fast.player.play(batches([packet(0, 1), packet(3, 2)]), true);
  assert.deepEqual(fast.sender.log, ["0 1 sent", "0 2 sent"]);
});

test("what time brings is told in its time: a host is gone after 260 s, not with the next packet", async () => {
  const { player, told } = bench({ speed: 1 });
  await player.play(batches([packet(0, 1), packet(1000, 2)]), true);
  assert.deepEqual(told, [
    "0 host-joined",
    "0 membership",
    "260 membership",
    "260 host-left",
    "1000 host-joined",
    "1000 membership",
  ]);
});

test("a step back of the capturing clock and a gap of days are not waited for", async () => {
  const { player, sender } = bench({ speed: 1 });
  await player.play(
    batches([packet(0, 1), packet(-50, 2), packet(-49, 3), packet(400_000, 4), packet(400_002, 5)]),
    true,
  );
  assert.deepEqual(sender.log, ["0 1 sent", "0 2 sent", "1 3 sent", "1 4 sent", "3 5 sent"]);
});

test("a second pass goes onto the wire, in its own time, and not to the machines", async () => {
  const { player, sender, replay } = bench({ speed: 1 });
  const parts = [packet(0, 1), packet(2, 2)];
  await player.play(batches(parts), true);
  await player.play(batches(parts), false);
  assert.deepEqual(sender.log, ["0 1 sent", "2 2 sent", "2 1 sent", "4 2 sent"]);
  assert.equal(replay.result().packets, 2);
});

function stopSoon(player: Player): boolean {
  queueMicrotask(() => player.stop());
  return true;
}

test("stopped while it waits it ends at once, with what was played", async () => {
  const { player, sender, replay } = bench({ speed: 1, onTold: stopSoon });
  await player.play(batches([packet(0, 1), packet(3600, 2)]), true);
  assert.deepEqual([sender.log, replay.result().packets, player.isStopped], [["0 1 sent"], 1, true]);
});

test("a reader that has gone ends it", async () => {
  const { player, replay } = bench({ speed: 1, onTold: (_, log) => log.length < 3 });
  await player.play(batches([packet(0, 1), packet(1, 2), packet(2, 3)]), true);
  assert.equal(replay.result().packets, 2);
});

test("a busy interface is waited for; a frame that it never takes is counted", async () => {
  const { player, sender, transmission } = bench();
  sender.outcomes.push("busy", "busy", "sent", "too-long");
  await player.play(batches([packet(0, 1), packet(0, 2), packet(0, 3)]), true);
  assert.deepEqual(
    sender.log.map((line) => line.slice(2)),
    ["1 busy", "1 busy", "1 sent", "2 too-long", "3 sent"],
  );
  assert.deepEqual(transmission.counts(), { sent: 2, lost: 0, reordered: 0, cut: 0, tooLong: 1, noPacket: 0 });
});

test("a fault of the capture counts once, whatever the number of passes", async () => {
  const { player, replay } = bench();
  await player.play(batches([packet(0, 1), "capture.truncated"]), true);
  await player.play(batches([packet(0, 1), "capture.gzip"]), false);
  assert.equal(replay.result().fault, "capture.truncated");
});
