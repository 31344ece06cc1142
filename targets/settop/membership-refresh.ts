// A LAN without a querier forgets who watches: where this device may, it repeats the reports that its kernel sent at the join.

import type { Alarm } from "../../core/base/alarm.ts";
import { Backoff, exactly, type Schedule } from "../../core/base/backoff.ts";
import { ANY, type Ipv4 } from "../../core/base/ipv4.ts";
import { Runner } from "../../core/base/runner.ts";
import { after, seconds } from "../../core/base/time.ts";
import { ANY_SOURCE, filterOf, mergeFilters } from "../../core/igmp/filter.ts";
import { MulticastHost, type MulticastHostEffect, type MulticastHostEvent } from "../../core/igmp/host/host.ts";
import type { RefreshPolicy } from "../../core/igmp/host/refresh.ts";
import { IGMP } from "../../core/igmp/wire.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { DatagramSocket, Datagrams, InterfaceChoice, Membership } from "../../core/ports/datagrams.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { IgmpSocket, IgmpSockets } from "../../core/ports/igmp-socket.ts";
import type { Link, Links } from "../../core/ports/links.ts";
import { sameMembership } from "../../hal/datagram/membership.ts";
import { choiceLack, choiceText } from "../../hal/links/words.ts";
import type { Logger } from "../shared/log.ts";

/** What the refresh stands on. */
export interface RefreshPlatform {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly links: Pick<Links, "list">;
  readonly log: Logger;
  /** Called at the first join. Rejects with HalError "igmp.native-missing". */
  igmp(): Promise<IgmpSockets>;
}

/** What status says of one interface: `repeated` is how often, `asks` whether somebody asks there. */
export type RefreshStatus =
  | { readonly state: "refreshing"; readonly interface: string; readonly asks: boolean; readonly repeated: number }
  /** Why it is not possible, and what it takes; the groups are joined all the same. */
  | { readonly state: "cannot"; readonly why: string; readonly needs: string | undefined };

/** The interface may come, the flood may pass: tried again after 1 s, 2, 4 ... 30 s. */
const REOPENING: Schedule = { first: seconds(1), ceiling: seconds(30), range: exactly, lasting: seconds(30) };

/** Sockets that join as `inner` says, and are refreshed while they are members. */
export class RefreshedDatagrams implements Datagrams {
  readonly #inner: Datagrams;
  readonly #policy: RefreshPolicy;
  readonly #platform: RefreshPlatform;
  /** As the configuration chooses them, while there is a membership there. */
  readonly #interfaces = new Map<InterfaceChoice, InterfaceRefresh>();

  constructor(inner: Datagrams, policy: RefreshPolicy, platform: RefreshPlatform) {
    this.#inner = inner;
    this.#policy = policy;
    this.#platform = platform;
  }

  async open(...[options, listener]: Parameters<Datagrams["open"]>): Promise<DatagramSocket> {
    const socket = await this.#inner.open(options, listener);
    return this.#policy === "off" ? socket : new RefreshedSocket(socket, this);
  }

  /** A socket is a member from now on. */
  joined(membership: Membership): void {
    const { interfaceAddress } = membership;
    const known = this.#interfaces.get(interfaceAddress);
    const refresh = known ?? new InterfaceRefresh(interfaceAddress, this.#policy, this.#platform);
    this.#interfaces.set(interfaceAddress, refresh);
    refresh.joined(membership);
  }

  left(membership: Membership): void {
    const refresh = this.#interfaces.get(membership.interfaceAddress);
    if (refresh === undefined || refresh.left(membership) > 0) return;
    refresh.close();
    this.#interfaces.delete(membership.interfaceAddress);
  }

  /** By interface as the configuration chooses it; empty while nothing is joined, and where the refresh is off. */
  status(): Readonly<Record<string, RefreshStatus>> {
    return Object.fromEntries([...this.#interfaces].map(([choice, one]) => [choiceText(choice), one.status()]));
  }
}

class RefreshedSocket implements DatagramSocket {
  readonly #inner: DatagramSocket;
  readonly #owner: RefreshedDatagrams;
  readonly #memberships: Membership[] = [];

  constructor(inner: DatagramSocket, owner: RefreshedDatagrams) {
    this.#inner = inner;
    this.#owner = owner;
  }

  get port(): number {
    return this.#inner.port;
  }

  join(membership: Membership): void {
    this.#inner.join(membership);
    this.#memberships.push(membership);
    this.#owner.joined(membership);
  }

  leave(membership: Membership): void {
    const at = this.#memberships.findIndex((one) => sameMembership(one, membership));
    for (const left of at < 0 ? [] : this.#memberships.splice(at, 1)) this.#owner.left(left);
    this.#inner.leave(membership);
  }

  send(...args: Parameters<DatagramSocket["send"]>): void {
    this.#inner.send(...args);
  }

  overflows(): number | undefined {
    return this.#inner.overflows();
  }

  close(): void {
    for (const left of this.#memberships.splice(0)) this.#owner.left(left);
    this.#inner.close();
  }
}

interface Open {
  readonly link: Link;
  readonly address: Ipv4;
  readonly socket: IgmpSocket;
}

/** One interface: hears who asks there, and speaks when nobody does. */
class InterfaceRefresh {
  readonly #choice: InterfaceChoice;
  readonly #platform: RefreshPlatform;
  readonly #host: MulticastHost;
  readonly #runner: Runner<MulticastHostEvent, MulticastHostEffect>;
  readonly #memberships: Membership[] = [];
  readonly #backoff = new Backoff(REOPENING);
  #open: Open | undefined;
  #fault = new HalError("igmp.opening", "the interface is being opened");
  #retry: Alarm | undefined;
  #closed = false;

  constructor(choice: InterfaceChoice, policy: RefreshPolicy, platform: RefreshPlatform) {
    this.#choice = choice;
    this.#platform = platform;
    this.#host = new MulticastHost(IGMP, platform.entropy, { refresh: policy, kernelReports: true });
    this.#runner = new Runner(platform.clock, this.#host, (effect) => this.#apply(effect));
    this.#begin();
  }

  joined(membership: Membership): void {
    this.#memberships.push(membership);
    this.#want(membership.group);
  }

  /** How many are left. */
  left(membership: Membership): number {
    const at = this.#memberships.findIndex((one) => sameMembership(one, membership));
    if (at >= 0) this.#memberships.splice(at, 1);
    this.#want(membership.group);
    return this.#memberships.length;
  }

  status(): RefreshStatus {
    if (this.#open === undefined) {
      const { code, message, needs } = this.#fault;
      return { state: "cannot", why: `${code}: ${message}`, needs };
    }
    const asks = this.#host.isAsked(this.#platform.clock.now());
    return { state: "refreshing", interface: this.#open.link.name, asks, repeated: this.#host.refreshes };
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#shut();
    this.#runner.stop();
  }

  #want(group: Ipv4): void {
    const filters = this.#memberships
      .filter((one) => one.group === group)
      .map(({ source }) => (source === undefined ? ANY_SOURCE : filterOf("include", [source])));
    this.#runner.feed({ kind: "want", group, filter: mergeFilters(filters) });
  }

  #begin(): void {
    this.#platform
      .igmp()
      .then((sockets) => this.#start(sockets))
      .catch((error: unknown) => this.#failed(error));
  }

  #start(sockets: IgmpSockets): void {
    if (this.#closed) return;
    const link = this.#place();
    const [own] = link?.addresses ?? [];
    if (link === undefined || own === undefined) throw this.#noPlace();
    const address = isAddress(this.#choice) ? this.#choice : own.address;
    const socket = sockets.open(link.name, {
      packet: (bytes) => this.#runner.feed({ kind: "packet", bytes }),
      failed: (error) => this.#failed(error),
    });
    this.#open = { link, address, socket };
    this.#backoff.works(this.#platform.clock.now());
    this.#runner.feed({ kind: "up", address });
  }

  /** Where the kernel joins: the interface that is chosen, or with 0.0.0.0 the only one there is. */
  #place(): Link | undefined {
    const links = this.#platform.links.list().filter(({ up, addresses }) => up && addresses.some(isOfANetwork));
    const choice = this.#choice;
    if (choice === ANY) return links.length === 1 ? links[0] : undefined;
    return links.find(({ name, addresses }) => name === choice || addresses.some(({ address }) => address === choice));
  }

  #noPlace(): HalError {
    return this.#choice === ANY
      ? new HalError(
          "igmp.which-interface",
          "with several interfaces, or none, nobody here knows where the kernel joins",
          {
            needs: "`interface`, the name or address of the interface on which groups are joined",
          },
        )
      : new HalError("igmp.no-interface", choiceLack(this.#choice, this.#platform.links.list()));
  }

  #apply(effect: MulticastHostEffect): void {
    switch (effect.kind) {
      case "send":
        this.#send(effect.packet);
        return;
      // The kernel answers queries, in the version that it thinks right.
      case "mode":
      case "drop":
        return;
      default:
        effect satisfies never;
    }
  }

  /** An interface made anew, or with another address, is opened anew; what is due then goes there an interval later. */
  #send(packet: Uint8Array): void {
    const open = this.#open;
    if (open === undefined) return;
    const link = this.#place();
    if (link?.index === open.link.index && link.addresses.some(({ address }) => address === open.address))
      open.socket.send(packet);
    else this.#failed(this.#noPlace());
  }

  #shut(): void {
    const open = this.#open;
    this.#open = undefined;
    open?.socket.close();
    if (open !== undefined) this.#runner.feed({ kind: "down" });
  }

  #failed(error: unknown): void {
    if (!(error instanceof HalError)) throw error;
    if (this.#closed) return;
    this.#tell(error);
    this.#shut();
    this.#retry?.cancel();
    // No waiting mends these.
    if (error.code === "igmp.permission" || error.code === "igmp.native-missing") return;
    const { clock, entropy } = this.#platform;
    const now = clock.now();
    this.#retry = clock.alarm(after(now, this.#backoff.failed(now, entropy)), () => this.#begin());
  }

  /** Once for each reason: the picture does not depend on it where somebody asks. */
  #tell(error: HalError): void {
    if (error.code !== this.#fault.code)
      this.#platform.log.info(
        { code: error.code, needs: error.needs },
        `memberships are not refreshed: ${error.message}`,
      );
    this.#fault = error;
  }
}

const isOfANetwork = ({ address }: { readonly address: Ipv4 }): boolean => address >>> 24 !== 127;
/** Rather than a name, or no choice at all. */
const isAddress = (choice: InterfaceChoice): choice is Ipv4 => typeof choice === "number" && choice !== ANY;
