// What taps on a bridge's ports tell of a link's hosts, and when that counts as evidence.
//
// Theory of operation. On a tapped bridge each message is heard twice: as a packet, which shows who said it, and as a frame, which shows
// where (port, card, VLAN). Either may come first. The packet decides (memberships.ts). Of its frame two things come:
//
// - Evidence, for what the packet was given and for nothing else. Of a host that is a member by its packets the frame counts at once.
//   Of a packet that was not honoured the frame is told as refused, and once, whichever came first. Of a packet that is still to come
//   the frame waits (frame-pairs.ts) until it is `honoured` or `refused`; when none comes, it is told as refused too.
// - The host's whereabouts (sightings.ts), without which its packet may have been taken for less, or for more, than its port is
//   given. A policy that refuses the host on this port, and a limit of the port that is reached, take back what the packet got. Where
//   the packet was refused only because nobody knew its port (`Unlocated`), whoever wants the group is asked to say so again.
//
// Who has no taps (HostTracking.source "packets") never comes here with a frame, and nothing is kept.

import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Instant } from "../base/time.ts";
import type { Admitted } from "./admission.ts";
import { type FrameAhead, FramePairs } from "./frame-pairs.ts";
import type { GroupDrop } from "./group-table.ts";
import type { TrackedHost } from "./host-shares.ts";
import type { HostChange } from "./host-table.ts";
import { type HostTracking, refusedFrame } from "./host-tracking.ts";
import type { InterfaceDrop, StatementEffect, TrackingSource } from "./interface-events.ts";
import type { HostStatement } from "./messages/host-statement.ts";
import { Sightings, Unlocated } from "./sightings.ts";

/** What becomes of the packets: by that their frames are judged. */
export interface PacketSide<A extends Address = Ipv4> {
  /** What the policy lets hold of a statement. */
  judge(now: Instant, host: TrackedHost<A>, said: HostStatement<A>): Admitted<A>;
  /** Why a statement is none that counts. */
  refusal(statement: HostStatement<A>): GroupDrop | undefined;
  /** Why there is no room for what it asks for. */
  lacksRoom(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): InterfaceDrop | undefined;
  track(
    from: TrackingSource,
    now: Instant,
    host: TrackedHost<A>,
    statement: HostStatement<A>,
  ): readonly HostChange<A>[];
  /** The host may have no more than this. */
  restrict(now: Instant, host: TrackedHost<A>, group: A, sources: readonly A[]): readonly StatementEffect<A>[];
  /** Whoever wants the group is to say so. */
  invite(now: Instant, group: A): readonly StatementEffect<A>[];
}

/** The frames of one link. */
export class FrameEvidence<A extends Address = Ipv4> {
  readonly #tracking: HostTracking<A>;
  readonly #sightings = new Sightings<A>();
  readonly #unlocated = new Unlocated<A>();
  readonly #pairs = new FramePairs<A>();

  constructor(tracking: HostTracking<A>) {
    this.#tracking = tracking;
  }

  /** A frame of the host came in. */
  note(host: TrackedHost<A>): void {
    this.#sightings.note(host);
  }

  /** Nobody listens to the ports any more. */
  clear(): void {
    this.#sightings.clear();
  }

  /** The host of a packet with all that is known of it. */
  complete(host: TrackedHost<A>): TrackedHost<A> {
    return this.#sightings.complete(host);
  }

  /** The host of a packet where tracking has it. Only by its MAC: an address may be several hosts. */
  locate(host: TrackedHost<A>): TrackedHost<A> {
    const isKnown = host.mac !== "" && this.#tracking.source === "frames";
    return isKnown ? this.#tracking.locate(this.complete(host)) : host;
  }

  /** A packet was refused what its port decides; where that is not known yet, the frame will show whether rightly. */
  noteRefusal(host: TrackedHost<A>, group: A): void {
    if (host.port === "") this.#unlocated.note(host, group);
  }

  /** The packet of the host was honoured: what its frames said before. */
  honoured(now: Instant, host: TrackedHost<A>, group: A): readonly FrameAhead<A>[] {
    return this.#pairs.honoured(now, host, group);
  }

  /** The packet of the host was not honoured: its frame is no evidence, whichever came first. */
  refused(now: Instant, host: TrackedHost<A>, group: A): readonly HostChange<A>[] {
    if (this.#tracking.source === "packets") return [];
    const ahead = this.#pairs.refused(now, host, group).map((one) => refusedFrame(one.host, group));
    return [...this.#tracking.revokeUnproven(host, group), ...ahead];
  }

  /** One statement of a frame. */
  hear(
    now: Instant,
    host: TrackedHost<A>,
    said: HostStatement<A>,
    packets: PacketSide<A>,
  ): readonly StatementEffect<A>[] {
    if (this.#tracking.source === "packets") return [];
    const { statement, refusal } = packets.judge(now, host, said);
    // The packet came first, and did not show on which port, or from which card.
    const member = refusal === undefined ? undefined : this.#tracking.memberByPackets(host, said.group);
    const ended = member === undefined ? [] : packets.restrict(now, member, said.group, statement?.sources ?? []);
    const asked =
      refusal === undefined && this.#unlocated.take(host, said.group) ? packets.invite(now, said.group) : [];
    return [...ended, ...asked, ...this.#evidence(now, host, said.group, statement, packets)];
  }

  /** A frame is evidence of what its packet was given, and until that is known it waits. */
  #evidence(
    now: Instant,
    host: TrackedHost<A>,
    group: A,
    statement: HostStatement<A> | undefined,
    packets: PacketSide<A>,
  ): readonly StatementEffect<A>[] {
    const isAhead = this.#pairs.isAhead(now, host, group);
    const isProven = statement !== undefined && !isAhead && this.#tracking.isProven(host, statement);
    const isRefused = isProven
      ? packets.lacksRoom(now, host, statement) !== undefined
      : this.#pairs.wasRefused(now, host, group);
    if (statement === undefined || isRefused) return [refusedFrame(host, group)];
    if (isProven) return this.#settled(now, host, statement, packets);
    if (packets.refusal(statement) !== undefined) return [];
    return this.#pairs
      .wait({ host, statement, heardAt: now })
      .map((one) => refusedFrame(one.host, one.statement.group));
  }

  /** Of a packet that came before its frame the port was not known, nor whether there is room behind it. */
  #settled(
    now: Instant,
    host: TrackedHost<A>,
    statement: HostStatement<A>,
    packets: PacketSide<A>,
  ): readonly StatementEffect<A>[] {
    const { group } = statement;
    const reason = this.#tracking.settle(now, host, group);
    if (reason === undefined) return packets.track("frames", now, host, statement);
    const refused: StatementEffect<A> = { kind: "drop", reason, host, group };
    return [refused, ...packets.restrict(now, host, group, []), refusedFrame(host, group)];
  }
}
