// The SQL schema, version by version. A released step never changes: a new version is a new step at the end.

// An address column (core/ports/tables.ts) is INTEGER since the first version and takes the text of an IPv6 address as it is: SQLite turns
// into a number what looks like one, and no text with a colon does (https://sqlite.org/datatype3.html, section 3).
const VERSION_1 = `
CREATE TABLE device (
  id TEXT NOT NULL PRIMARY KEY, subscriber TEXT NOT NULL, publicKey BLOB NOT NULL CHECK (length(publicKey) = 32),
  passwordHash BLOB NOT NULL CHECK (length(passwordHash) = 32), mac TEXT, status TEXT NOT NULL CHECK (status IN ('active', 'revoked'))
) WITHOUT ROWID;
CREATE TABLE subscriber (
  id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('active', 'suspended')), concurrentLimit INTEGER
) WITHOUT ROWID;
CREATE TABLE package (id TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE package_channel (package TEXT NOT NULL, channel TEXT NOT NULL, PRIMARY KEY (package, channel)) WITHOUT ROWID;
CREATE INDEX package_channel_channel ON package_channel (channel);
CREATE TABLE subscription (
  subscriber TEXT NOT NULL, package TEXT NOT NULL, "from" INTEGER NOT NULL, until INTEGER, PRIMARY KEY (subscriber, package, "from")
) WITHOUT ROWID;
CREATE INDEX subscription_package ON subscription (package);
CREATE TABLE channel (id TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE service (
  id TEXT NOT NULL PRIMARY KEY, role TEXT NOT NULL CHECK (role IN ('headend', 'router', 'keyserver', 'reception')),
  publicKey BLOB NOT NULL CHECK (length(publicKey) = 32), passwordHash BLOB NOT NULL CHECK (length(passwordHash) = 32),
  status TEXT NOT NULL CHECK (status IN ('active', 'revoked')), channels TEXT
) WITHOUT ROWID;
CREATE TABLE live_reception (
  device TEXT NOT NULL, channel TEXT NOT NULL, reception TEXT NOT NULL UNIQUE, subscriber TEXT NOT NULL, since INTEGER NOT NULL,
  firstEpoch INTEGER NOT NULL, epoch INTEGER NOT NULL, heldUntil INTEGER NOT NULL, lastSeen INTEGER NOT NULL,
  PRIMARY KEY (device, channel)
) WITHOUT ROWID;
CREATE INDEX live_reception_subscriber ON live_reception (subscriber);
CREATE INDEX live_reception_held ON live_reception (heldUntil);
CREATE TABLE usage_record (
  reception TEXT NOT NULL PRIMARY KEY, device TEXT NOT NULL, subscriber TEXT NOT NULL, channel TEXT NOT NULL, since INTEGER NOT NULL,
  until INTEGER NOT NULL CHECK (until >= since),
  cause TEXT NOT NULL CHECK (cause IN ('stopped', 'lapsed', 'revoked', 'superseded', 'operator')),
  firstEpoch INTEGER NOT NULL, lastEpoch INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX usage_record_device ON usage_record (device, until);
CREATE INDEX usage_record_since ON usage_record (since);
CREATE TABLE early_stop (
  device TEXT NOT NULL, channel TEXT NOT NULL, reception TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (device, channel)
) WITHOUT ROWID;
CREATE INDEX early_stop_at ON early_stop (at);
CREATE TABLE rekey_demand (
  keyserver TEXT NOT NULL, channel TEXT NOT NULL, reason TEXT NOT NULL, revision INTEGER NOT NULL, since INTEGER NOT NULL,
  PRIMARY KEY (keyserver, channel)
) WITHOUT ROWID;
CREATE TABLE membership (
  router TEXT NOT NULL, interface TEXT NOT NULL, host INTEGER NOT NULL, "group" INTEGER NOT NULL, since INTEGER NOT NULL,
  port TEXT, mac TEXT, until INTEGER, cause TEXT, PRIMARY KEY (router, interface, host, "group", since)
) WITHOUT ROWID;
CREATE INDEX membership_until ON membership (until);
CREATE TABLE router_report (
  router TEXT NOT NULL PRIMARY KEY, sequence INTEGER NOT NULL, dropped INTEGER NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE key_channel (
  channel TEXT NOT NULL PRIMARY KEY, headend TEXT NOT NULL, maker TEXT NOT NULL CHECK (maker IN ('headend', 'keyserver')),
  "group" INTEGER NOT NULL, port INTEGER NOT NULL, suite TEXT NOT NULL, mkiLength INTEGER NOT NULL, ssrc INTEGER NOT NULL,
  payloadType INTEGER NOT NULL, interval INTEGER NOT NULL, overlap INTEGER NOT NULL, window INTEGER NOT NULL,
  lastEpoch INTEGER NOT NULL, demandedAbove INTEGER
) WITHOUT ROWID;
CREATE TABLE epoch (
  channel TEXT NOT NULL, epoch INTEGER NOT NULL, masterKey BLOB NOT NULL, masterSalt BLOB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('offered', 'announced')), switchAt INTEGER NOT NULL, PRIMARY KEY (channel, epoch)
) WITHOUT ROWID;
`;

const VERSION_2 = "ALTER TABLE router_report ADD COLUMN process INTEGER;";

const VERSION_3 = `
ALTER TABLE membership ADD COLUMN certainty TEXT;
ALTER TABLE membership ADD COLUMN vlan INTEGER;
ALTER TABLE router_report ADD COLUMN previous INTEGER;
CREATE TABLE evidence_count (
  router TEXT NOT NULL, process INTEGER NOT NULL, sequence INTEGER NOT NULL, position INTEGER NOT NULL,
  interface TEXT, port TEXT, host INTEGER, mac TEXT, "group" INTEGER, reason TEXT, since INTEGER NOT NULL, until INTEGER NOT NULL,
  joined INTEGER NOT NULL, left INTEGER NOT NULL, expired INTEGER NOT NULL, refused INTEGER NOT NULL,
  PRIMARY KEY (router, process, sequence, position)
) WITHOUT ROWID;
CREATE INDEX evidence_count_until ON evidence_count (until);
`;

const VERSION_4 = `
CREATE TABLE router_policy (
  router TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, at INTEGER NOT NULL, policy TEXT
) WITHOUT ROWID;
CREATE INDEX router_policy_revision ON router_policy (revision);
CREATE TABLE router_policy_state (
  router TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, since INTEGER, remarks TEXT, refused INTEGER, faults TEXT,
  at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX router_policy_state_revision ON router_policy_state (revision);
`;

const VERSION_5 = "ALTER TABLE key_channel ADD COLUMN signer TEXT;";

const VERSION_6 = "ALTER TABLE key_channel ADD COLUMN rocEvery INTEGER;";

/** Step n takes a store from version n to n + 1. */
export const MIGRATIONS: readonly string[] = [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6];

/** "SELC", the `application_id` in the header of each store. */
export const APPLICATION_ID = 0x53454c43;
/** Stores of the versions up to this one may be without `APPLICATION_ID`: earlier builds set none. */
export const UNMARKED_VERSIONS = 2;
