// What is kept on disk, row by row: the registry, live receptions, usage records, evidence, and the key server's epochs.
// Times are milliseconds since 1970; reception ids are 32 hexadecimal digits; rows are flat so that any database holds them.
import type { UnixTime } from "../base/time.ts";

export interface DeviceRow {
  readonly id: string;
  readonly subscriber: string;
  /** X25519, 32 octets. */
  readonly publicKey: Uint8Array;
  /** SHA-256 of the broker password, which is a random 128-bit token: 32 octets. */
  readonly passwordHash: Uint8Array;
  readonly mac?: string;
  readonly status: "active" | "revoked";
}

export interface SubscriberRow {
  readonly id: string;
  readonly name: string;
  readonly status: "active" | "suspended";
  /** Live receptions that its devices may have at once; absent: no limit. */
  readonly concurrentLimit?: number;
}

export interface PackageRow {
  readonly id: string;
}

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

/** Reception information of the patent: somebody receives now. One row a device and channel. */
export interface LiveReceptionRow {
  readonly device: string;
  readonly channel: string;
  readonly reception: string;
  readonly subscriber: string;
  readonly since: UnixTime;
  readonly firstEpoch: number;
  readonly epoch: number;
  /** The device is known to hold a key in use until here. */
  readonly heldUntil: UnixTime;
  readonly lastSeen: UnixTime;
}

const USAGE_CAUSES = ["stopped", "lapsed", "revoked", "superseded", "operator"] as const;
export type UsageCause = (typeof USAGE_CAUSES)[number];

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
  readonly host: number;
  readonly group: number;
  readonly since: UnixTime;
  readonly port?: string;
  readonly mac?: string;
  readonly until?: UnixTime;
  /** moved: heard on another port or with another MAC. restarted: the router's process ended, when is not known. */
  readonly cause?: "left" | "expired" | "moved" | "restarted";
}

export interface RouterReportRow {
  readonly router: string;
  /** The process that reported last. */
  readonly process?: number;
  readonly sequence: number;
  /** Changes that the router lost, over all its reports. */
  readonly dropped: number;
  readonly at: UnixTime;
}

/** A channel as its headend described it to the key server. */
export interface KeyChannelRow {
  readonly channel: string;
  readonly headend: string;
  /** Who makes the keys: claim 3 or claim 7. */
  readonly maker: "headend" | "keyserver";
  readonly group: number;
  readonly port: number;
  readonly suite: string;
  readonly mkiLength: number;
  readonly ssrc: number;
  readonly payloadType: number;
  readonly interval: number;
  readonly overlap: number;
  readonly window: number;
  /** The highest epoch ever kept: numbers never repeat, even when every epoch has been erased. */
  readonly lastEpoch: number;
  /** A rekey was demanded while this was the newest epoch; settled by a higher one. */
  readonly demandedAbove?: number;
}

export interface EpochRow {
  readonly channel: string;
  readonly epoch: number;
  readonly masterKey: Uint8Array;
  readonly masterSalt: Uint8Array;
  /** offered: made here, the headend has not taken it; announced: it will be, or is, in use. */
  readonly state: "offered" | "announced";
  /** When the headend switches, or switched, to it. */
  readonly switchAt: UnixTime;
}

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
  readonly key_channel: KeyChannelRow;
  readonly epoch: EpochRow;
}

export type TableName = keyof Tables;

export interface Layout<Row> {
  readonly key: readonly (keyof Row & string)[];
  /** Every column; "?" marks one that may be absent. */
  readonly columns: { readonly [C in keyof Row]-?: "text" | "integer" | "octets" | "text?" | "integer?" };
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
      host: "integer",
      group: "integer",
      since: "integer",
      port: "text?",
      mac: "text?",
      until: "integer?",
      cause: "text?",
    },
  },
  router_report: {
    key: ["router"],
    columns: { router: "text", process: "integer?", sequence: "integer", dropped: "integer", at: "integer" },
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
      interval: "integer",
      overlap: "integer",
      window: "integer",
      lastEpoch: "integer",
      demandedAbove: "integer?",
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
