// The gate of a frame that a tap heard on a bridge port: IPv4 of this LAN, and not of another that shares the port with it.
import { checkFrame, type FrameDrop, type Ipv4Frame } from "../../base/ethernet.ts";

/** other-vlan: the tag of another LAN, or of two. Else as the frame's own gate says. */
export type LanFrameDrop = FrameDrop | "frame.other-vlan";

/** A frame of the LAN; `packet` is a view into the caller's buffer. */
export interface LanFrame extends Pick<Ipv4Frame, "mac" | "unicast" | "packet"> {
  /** The VLAN that it is in: its tag, or what the bridge gives frames of its port that have none. Absent: it has none, and nobody can tell. */
  readonly vlan?: number;
}

/** Which frames of a bridge port are of the LAN, as the bridge decides. */
export interface PortLan {
  /** Those with this tag, 1 to 4094. */
  readonly vlan: number;
  /** And those without one. */
  readonly pvid: boolean;
}

/**
 * What "the VLAN of a host" is. A bridge that keeps VLANs apart puts each frame into one, by its tag or, where it has none, by its port
 * (PVID): that is the host's, and a host on an access port has one although nothing on its wire says so. Where the bridge tells us (`port`),
 * exactly the frames that it would put into this LAN pass here.
 *
 * A tag of 0 tells a priority alone (IEEE 802.1Q 6.9.1), and the kernel delivers as if it were not there.
 *
 * @param vlan the interface's where the bridge does not tell; undefined: an untagged LAN, of which no tagged frame is. Where there is one,
 * a port may still be an access port of it, whose frames bear no tag: they are taken to be of this LAN.
 */
export function checkLanFrame(bytes: Uint8Array, vlan: number | undefined, port?: PortLan): LanFrame | LanFrameDrop {
  const frame = checkFrame(bytes);
  if (typeof frame === "string") return frame;
  const { mac, unicast, packet } = frame;
  const [tag, another] = frame.vlans.filter((id) => id !== 0);
  if (tag === undefined && port === undefined) return { mac, unicast, packet };
  const own = port?.vlan ?? vlan;
  const isOurs = tag === undefined ? port?.pvid === true : tag === own && another === undefined;
  return isOurs && own !== undefined ? { mac, unicast, packet, vlan: own } : "frame.other-vlan";
}
