// Conditions on captured packets that are IGMP. Apart from the capture itself: this needs what tsc has built, and the demo has not.
import { TYPE_OCTET } from "../../build/core/igmp/messages/offsets.js";
import { dotted } from "./capture.mjs";

/** @typedef {import("./capture.mjs").Ipv4Packet} Ipv4Packet */

/** True for an IGMP message that asks to receive `group`: a v2 report, or a v3 report with a fitting record. */
export const isJoin = (/** @type {string} */ group) => (/** @type {Ipv4Packet} */ packet) =>
  records(packet).some((record) => record.group === group && record.joins);

/** True for an IGMP message that gives `group` up: a v2 leave, or a v3 report with a fitting record. */
export const isLeave = (/** @type {string} */ group) => (/** @type {Ipv4Packet} */ packet) =>
  records(packet).some((record) => record.group === group && !record.joins);

/** True for a membership query; with a group, for a query about it. */
export const isQuery =
  (/** @type {string} */ group = "0.0.0.0") =>
  (/** @type {Ipv4Packet} */ packet) =>
    packet.protocol === 2 && packet.payload[0] === TYPE_OCTET.query && dotted(packet.payload.subarray(4, 8)) === group;

/**
 * Each group that a report speaks of, and whether it asks for more (RFC 3376 4.2.12) or gives up.
 * @param {Ipv4Packet} packet
 * @returns {{ group: string, joins: boolean }[]}
 */
function records({ protocol, payload }) {
  if (protocol !== 2 || payload.length < 8) return [];
  const group = dotted(payload.subarray(4, 8));
  switch (payload[0]) {
    case TYPE_OCTET.v1Report:
    case TYPE_OCTET.v2Report:
      return [{ group, joins: true }];
    case TYPE_OCTET.leave:
      return [{ group, joins: false }];
    case TYPE_OCTET.v3Report:
      return version3Records(payload);
    default:
      return [];
  }
}

/** @param {Buffer} payload */
function version3Records(payload) {
  const found = [];
  let at = 8;
  for (let left = payload.readUInt16BE(6); left > 0 && at + 8 <= payload.length; left--) {
    const type = payload.readUInt8(at);
    const sources = payload.readUInt16BE(at + 2);
    const group = dotted(payload.subarray(at + 4, at + 8));
    // EXCLUDE of anything asks for the group; INCLUDE and ALLOW ask when they name a source.
    const joins = type === 2 || type === 4 || ((type === 1 || type === 3 || type === 5) && sources > 0);
    found.push({ group, joins });
    at += 8 + 4 * sources + 4 * payload.readUInt8(at + 1);
  }
  return found;
}
