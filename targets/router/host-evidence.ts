// What hosts did, as evidence: in the log, and on its way to the reception server.
import { formatIpv4, isLinkLocalMulticast } from "../../core/base/ipv4.ts";
import { type UnixTime, wholeUnixTime } from "../../core/base/time.ts";
import type { MembershipChange } from "../../core/control/messages.ts";
import type { TrackedHost } from "../../core/igmp/host-shares.ts";
import type { HostMembership } from "../../core/igmp/host-table.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Link, Links } from "../../core/ports/links.ts";
import type { RouterEffect } from "../../core/router/options.ts";
import type { Logger } from "../shared/log.ts";
import { given } from "./config.ts";
import { changeWord, type MembershipReports } from "./membership-reports.ts";
import { withVlan } from "./status-of.ts";

/** Sources of an exact filter that a report carries. */
const REPORTED_SOURCES = 64;

/** What evidence is made with. */
export interface HostEvidenceParts {
  readonly clock: Clock;
  /** Neighbours, for the MAC that a packet did not show. */
  readonly links: Links;
  /** An interface as it was last seen; undefined while it is not in use. */
  linkOf(name: string): Link | undefined;
  readonly log: Logger;
  /** undefined: nobody is told. */
  readonly membershipReports: Pick<MembershipReports, "add" | "refused"> | undefined;
}

/** Each join, leave, timeout and refusal of a host, once. */
export class HostEvidence {
  readonly #parts: HostEvidenceParts;

  constructor(parts: HostEvidenceParts) {
    this.#parts = parts;
  }

  /** Into the log, and to the reception server. */
  changed(effect: RouterEffect & { kind: "joined" | "left" }): void {
    const { membership, name, number } = effect;
    // Every machine joins some of 224.0.0.0/24, which no router delivers: neither 71 nor evidence.
    if (isLinkLocalMulticast(membership.group)) return;
    const change = this.#change(name, membership, effect.kind === "joined" ? "joined" : changeWord(effect.cause));
    this.#parts.membershipReports?.add(change);
    this.#parts.log.info(
      {
        number,
        interface: name,
        port: change.port,
        vlan: change.vlan,
        host: formatIpv4(membership.host.address),
        mac: change.mac,
        group: formatIpv4(membership.group),
        change: change.change,
        exact: membership.exact,
      },
      HOST_CHANGES[change.change],
    );
  }

  /** There may be a flood of these: a MAC that is not known is not looked up. */
  refused({ name, host, group, reason }: RouterEffect & { kind: "refused" }): void {
    if (group !== undefined && isLinkLocalMulticast(group)) return;
    const what = group === undefined ? {} : { group };
    this.#parts.membershipReports?.refused({ ...placeOf(name, host), ...what, reason, at: this.#calendar() });
  }

  #change(
    name: string,
    { host, group, filter, exact }: HostMembership,
    change: MembershipChange["change"],
  ): MembershipChange {
    return {
      change,
      ...placeOf(name, { ...host, mac: this.#mac(name, host) ?? "" }),
      ...given({ vlan: withVlan(host, this.#parts.linkOf(name)).vlan }),
      group,
      sources: filter.mode === "include" ? filter.sources.slice(0, REPORTED_SOURCES) : [],
      at: this.#calendar(),
      certainty: exact ? "exact" : "shared",
    };
  }

  #calendar(): UnixTime {
    const { clock } = this.#parts;
    return wholeUnixTime(clock.unix(clock.now()));
  }

  #mac(name: string, { mac, address }: TrackedHost): string | undefined {
    return mac === "" ? this.#parts.links.neighbour(name, address) : mac;
  }
}

const placeOf = (name: string, { port, address, mac }: TrackedHost) => ({
  interface: name,
  ...(port === "" ? {} : { port }),
  host: address,
  ...(mac === "" ? {} : { mac }),
});

const HOST_CHANGES: Readonly<Record<MembershipChange["change"], string>> = {
  joined: "a host has joined a group",
  left: "a host has left a group",
  expired: "a host has not reported a group for too long",
};
