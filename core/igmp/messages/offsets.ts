// Where the fields of an IGMP message stand, counted from its first octet (RFC 3376 4.1, 4.2; RFC 2236 2), and the type octets.

/** The first octet of each message (RFC 3376 section 4). The versions of a query differ in length and code, not in type (7.1). */
export const TYPE_OCTET = { query: 0x11, v1Report: 0x12, v2Report: 0x16, leave: 0x17, v3Report: 0x22 } as const;

// Of every message.
export const TYPE = 0;
export const MAX_RESPONSE = 1;
export const CHECKSUM = 2;
export const GROUP = 4;
/** Octets of every v1 and v2 message. */
export const SHORT_MESSAGE = 8;

// Of a v3 query.
export const QUERY_FLAGS = 8;
export const QUERY_INTERVAL_CODE = 9;
export const QUERY_SOURCE_COUNT = 10;
export const QUERY_SOURCES = 12;
/** Octets of a v3 query without sources. */
export const V3_QUERY = 12;

// Of a v3 report.
export const RECORD_COUNT = 6;
export const RECORDS = 8;

// Counted from the first octet of a group record (RFC 3376 4.2.4).
export const RECORD_TYPE = 0;
export const AUX_LENGTH = 1;
export const RECORD_SOURCE_COUNT = 2;
export const RECORD_GROUP = 4;
export const RECORD_SOURCES = 8;
export const RECORD_HEADER = 8;
