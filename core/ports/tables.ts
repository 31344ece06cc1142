// What is kept on disk, row by row: the registry, live receptions, usage records, what routers saw, and the key server's epochs.
// Times are milliseconds since 1970, IPv4 addresses numbers (192.0.2.1 is 0xc0000201), ids `Identifier`s, reception ids 32 hexadecimal
// digits, epochs 0 to 2^32 - 1; rows are flat so that any database holds them.
import type { RecordedAddress } from "../base/address.ts";
import type { UnixTime } from "../base/time.ts";

/** A set-top that may use the broker, and whose it is. */
export interface DeviceRow {
  readonly id: string;
  readonly subscriber: string;
  /** X25519, 32 octets. */
  readonly publicKey: Uint8Array;
  /** SHA-256 of the broker password, which is a random 128-bit token: 32 octets. */
  readonly passwordHash: Uint8Array;
  /** "02:00:00:00:00:01", to hold what routers saw against. */
  readonly mac?: string;
  readonly status: "active" | "revoked";
}

/** Who pays. */
export interface SubscriberRow {
  readonly id: string;
  readonly name: string;
  readonly status: "active" | "suspended";
  /** Live receptions that its devices may have at once; absent: no limit. */
  readonly concurrentLimit?: number;
}

/** Channels are sold in packages; which ones, `PackageChannelRow` says. */
export interface PackageRow {
  readonly id: string;
}

/** The package holds the channel. */
export interface PackageChannelRow {
  readonly package: string;
  readonly channel: string;
}

/** A subscriber holds a package from `from` (included) until `until` (excluded, absent: for good). */
export interface SubscriptionRow {
  readonly subscriber: string;
  readonly package: string;
  readonly from: UnixTime;
  readonly until?: UnixTime;
}

/** A channel that may be sold. */
export interface ChannelRow {
  readonly id: string;
  readonly title: string;
}

/** A headend, router, key server or reception server that may use the broker. */
export interface ServiceRow {
  readonly id: string;
  readonly role: "headend" | "router" | "keyserver" | "reception";
  readonly publicKey: Uint8Array;
  readonly passwordHash: Uint8Array;
  readonly status: "active" | "revoked";
  /** For a headend: the channels it may serve, separated by one space; absent: all. */
  readonly channels?: string;
}

/** Reception information of the patent: somebody receives now. One row a device and channel; a set-top calls it a viewing. */
export interface LiveReceptionRow {
  readonly device: string;
  readonly channel: string;
  readonly reception: string;
  readonly subscriber: string;
  readonly since: UnixTime;
  readonly firstEpoch: number;
  /** The newest that was granted. */
  readonly epoch: number;
  /** The device is known to hold a key in use until here. */
  readonly heldUntil: UnixTime;
  /** When it last asked for a key. */
  readonly lastSeen: UnixTime;
}

/**
 * Why a reception ended. stopped: the device said so. lapsed: it fell silent. revoked: it lost its right. superseded: it began another
 * reception of the same channel. operator: its subscriber lost the right, or the device was removed.
 */
export type UsageCause = "stopped" | "lapsed" | "revoked" | "superseded" | "operator";

/** Reception state record of the patent: closed, billable, never changed. */
export interface UsageRecordRow {
  readonly reception: string;
  readonly device: string;
  readonly subscriber: string;
  readonly channel: string;
  readonly since: UnixTime;
  readonly until: UnixTime;
  readonly cause: UsageCause;
  readonly firstEpoch: number;
  readonly lastEpoch: number;
}

/** The last stop of a device on a channel that found no reception: an inquiry that comes after its own stop opens nothing. */
export interface EarlyStopRow {
  readonly device: string;
  readonly channel: string;
  readonly reception: string;
  readonly at: UnixTime;
}

/** A key server still has to change the key of a channel. `revision` rises, so that an old acknowledgement clears no newer demand. */
export interface RekeyDemandRow {
  readonly keyserver: string;
  readonly channel: string;
  readonly reason: "revoked" | "operator";
  readonly revision: number;
  readonly since: UnixTime;
}

/** What a router saw: a host in a group. Open while `until` is absent. */
export interface MembershipRow {
  readonly router: string;
  readonly interface: string;
  readonly host: RecordedAddress;
  readonly group: RecordedAddress;
  readonly since: UnixTime;
  /** The bridge port that heard it, where there is a tap. */
  readonly port?: string;
  readonly mac?: string;
  /** The VLAN of its frames there. */
  readonly vlan?: number;
  readonly until?: UnixTime;
  /** moved: heard on another port or with another MAC. restarted: the router's process ended, when is not known. */
  readonly cause?: "left" | "expired" | "moved" | "restarted";
  /**
   * exact: the host speaks for itself (IGMPv3). shared: it speaks v1 or v2 and may be one of several (RFC 2236 section 3). Absent: its
   * router does not tell.
   */
  readonly certainty?: "exact" | "shared";
}

/**
 * What a router counted instead of telling it one by one: joins that it refused, and what it had to sum up while its reports were not
 * taken. Without a host or group: of several.
 */
export interface EvidenceCountRow {
  readonly router: string;
  /** The report that told it, and the place in it: the same report adds nothing twice. */
  readonly process: number;
  readonly sequence: number;
  readonly position: number;
  readonly interface?: string;
  readonly port?: string;
  readonly host?: RecordedAddress;
  readonly mac?: string;
  readonly group?: RecordedAddress;
  /** Why joins were refused. */
  readonly reason?: string;
  /** The first of what is counted, and the last. */
  readonly since: UnixTime;
  readonly until: UnixTime;
  readonly joined: number;
  readonly left: number;
  readonly expired: number;
  readonly refused: number;
}

/** The last report of a router, so that a repetition changes nothing. */
export interface RouterReportRow {
  readonly router: string;
  /** The process that reported last. */
  readonly process?: number;
  /** The one before it: what it may still repeat is known. */
  readonly previous?: number;
  readonly sequence: number;
  /** Changes that the router lost, over all its reports. */
  readonly dropped: number;
  readonly at: UnixTime;
}

/** What the operator lets a router do; see `ALL_ROUTERS` for the one of all that have none. */
export interface RouterPolicyRow {
  readonly router: string;
  /** Rises with each edit, over all rows. */
  readonly revision: number;
  readonly at: UnixTime;
  /** As the message "policy" has it; absent: it was taken back. */
  readonly policy?: string;
}

/** What a router said last of the policy that it was given. */
export interface RouterPolicyStateRow {
  readonly router: string;
  /** In force; 0: none. */
  readonly revision: number;
  /** When it was taken, by the router's calendar. */
  readonly since?: number;
  /** What of it is otherwise than it says, a sentence a line. */
  readonly remarks?: string;
  /** The one that is not in force, and why, a sentence a line. */
  readonly refused?: number;
  readonly faults?: string;
  /** When it said so. */
  readonly at: UnixTime;
}

/** A channel as its headend described it to the key server. */
export interface KeyChannelRow {
  readonly channel: string;
  readonly headend: string;
  /** Who makes the keys: claim 3 or claim 7. */
  readonly maker: "headend" | "keyserver";
  readonly group: number;
  /** UDP. */
  readonly port: number;
  readonly suite: string;
  readonly mkiLength: number;
  readonly ssrc: number;
  readonly payloadType: number;
  /** Every so many packets carry the ROC (RFC 4771); absent for none. */
  readonly rocEvery?: number;
  /** Milliseconds between two changes of key; so are `overlap`, in which the old key is kept, and `window`, in which devices ask. */
  readonly interval: number;
  readonly overlap: number;
  readonly window: number;
  /** The highest epoch ever kept: numbers never repeat, even when every epoch has been erased. */
  readonly lastEpoch: number;
  /** A rekey was demanded while this was the newest epoch; settled by a higher one. */
  readonly demandedAbove?: number;
  /** The headend's public key for manifests, Ed25519, hexadecimal; absent where it signs none. */
  readonly signer?: string;
}

/** One generation of a channel's key; erased when it has gone out of use. */
export interface EpochRow {
  readonly channel: string;
  readonly epoch: number;
  /** RFC 3711 8.2; 16 or 32 octets, as the suite has it. */
  readonly masterKey: Uint8Array;
  /** 12 or 14 octets, as the suite has it. */
  readonly masterSalt: Uint8Array;
  /** offered: made here, the headend has not taken it; announced: it will be, or is, in use. */
  readonly state: "offered" | "announced";
  /** When the headend switches, or switched, to it. */
  readonly switchAt: UnixTime;
}

/** The row of each table, by the table's name in the database. */
export interface Tables {
  readonly device: DeviceRow;
  readonly subscriber: SubscriberRow;
  readonly package: PackageRow;
  readonly package_channel: PackageChannelRow;
  readonly subscription: SubscriptionRow;
  readonly channel: ChannelRow;
  readonly service: ServiceRow;
  readonly live_reception: LiveReceptionRow;
  readonly usage_record: UsageRecordRow;
  readonly early_stop: EarlyStopRow;
  readonly rekey_demand: RekeyDemandRow;
  readonly membership: MembershipRow;
  readonly router_report: RouterReportRow;
  readonly evidence_count: EvidenceCountRow;
  readonly router_policy: RouterPolicyRow;
  readonly router_policy_state: RouterPolicyStateRow;
  readonly key_channel: KeyChannelRow;
  readonly epoch: EpochRow;
}

/** "device", "live_reception" and so on. */
export type TableName = keyof Tables;

/** address: a RecordedAddress, numbers before texts. */
export type ColumnKind = "text" | "integer" | "octets" | "address";

/** What a driver must know of a table. */
export interface Layout<Row> {
  readonly key: readonly (keyof Row & string)[];
  /** Every column; "?" marks one that may be absent. */
  readonly columns: { readonly [C in keyof Row]-?: ColumnKind | `${Exclude<ColumnKind, "octets">}?` };
  /** Rows hold keys: what is deleted must be gone from the disk too. */
  readonly secret?: true;
}

/** Key and columns of each table, as the drivers need them. */
export const LAYOUT: { readonly [T in TableName]: Layout<Tables[T]> } = {
  device: {
    key: ["id"],
    columns: {
      id: "text",
      subscriber: "text",
      publicKey: "octets",
      passwordHash: "octets",
      mac: "text?",
      status: "text",
    },
  },
  subscriber: {
    key: ["id"],
    columns: { id: "text", name: "text", status: "text", concurrentLimit: "integer?" },
  },
  package: { key: ["id"], columns: { id: "text" } },
  package_channel: { key: ["package", "channel"], columns: { package: "text", channel: "text" } },
  subscription: {
    key: ["subscriber", "package", "from"],
    columns: { subscriber: "text", package: "text", from: "integer", until: "integer?" },
  },
  channel: { key: ["id"], columns: { id: "text", title: "text" } },
  service: {
    key: ["id"],
    columns: {
      id: "text",
      role: "text",
      publicKey: "octets",
      passwordHash: "octets",
      status: "text",
      channels: "text?",
    },
  },
  live_reception: {
    key: ["device", "channel"],
    columns: {
      device: "text",
      channel: "text",
      reception: "text",
      subscriber: "text",
      since: "integer",
      firstEpoch: "integer",
      epoch: "integer",
      heldUntil: "integer",
      lastSeen: "integer",
    },
  },
  usage_record: {
    key: ["reception"],
    columns: {
      reception: "text",
      device: "text",
      subscriber: "text",
      channel: "text",
      since: "integer",
      until: "integer",
      cause: "text",
      firstEpoch: "integer",
      lastEpoch: "integer",
    },
  },
  early_stop: {
    key: ["device", "channel"],
    columns: { device: "text", channel: "text", reception: "text", at: "integer" },
  },
  rekey_demand: {
    key: ["keyserver", "channel"],
    columns: { keyserver: "text", channel: "text", reason: "text", revision: "integer", since: "integer" },
  },
  membership: {
    key: ["router", "interface", "host", "group", "since"],
    columns: {
      router: "text",
      interface: "text",
      host: "address",
      group: "address",
      since: "integer",
      port: "text?",
      mac: "text?",
      until: "integer?",
      cause: "text?",
      certainty: "text?",
      vlan: "integer?",
    },
  },
  router_report: {
    key: ["router"],
    columns: {
      router: "text",
      process: "integer?",
      previous: "integer?",
      sequence: "integer",
      dropped: "integer",
      at: "integer",
    },
  },
  evidence_count: {
    key: ["router", "process", "sequence", "position"],
    columns: {
      router: "text",
      process: "integer",
      sequence: "integer",
      position: "integer",
      interface: "text?",
      port: "text?",
      host: "address?",
      mac: "text?",
      group: "address?",
      reason: "text?",
      since: "integer",
      until: "integer",
      joined: "integer",
      left: "integer",
      expired: "integer",
      refused: "integer",
    },
  },
  router_policy: {
    key: ["router"],
    columns: { router: "text", revision: "integer", at: "integer", policy: "text?" },
  },
  router_policy_state: {
    key: ["router"],
    columns: {
      router: "text",
      revision: "integer",
      since: "integer?",
      remarks: "text?",
      refused: "integer?",
      faults: "text?",
      at: "integer",
    },
  },
  key_channel: {
    key: ["channel"],
    columns: {
      channel: "text",
      headend: "text",
      maker: "text",
      group: "integer",
      port: "integer",
      suite: "text",
      mkiLength: "integer",
      ssrc: "integer",
      payloadType: "integer",
      rocEvery: "integer?",
      interval: "integer",
      overlap: "integer",
      window: "integer",
      lastEpoch: "integer",
      demandedAbove: "integer?",
      signer: "text?",
    },
  },
  epoch: {
    key: ["channel", "epoch"],
    columns: {
      channel: "text",
      epoch: "integer",
      masterKey: "octets",
      masterSalt: "octets",
      state: "text",
      switchAt: "integer",
    },
    secret: true,
  },
};
