// The gate of a frame that a tap heard on a bridge port: IPv4 of this LAN, and not of another that shares the port with it.
import { checkFrame, type FrameDrop, type Ipv4Frame } from "../../base/ethernet.ts";

/** other-vlan: the tag of another LAN, or of two. Else as the frame's own gate says. */
export type LanFrameDrop = FrameDrop | "frame.other-vlan";

/** A frame of the LAN; `packet` is a view into the caller's buffer. */
export interface LanFrame extends Pick<Ipv4Frame, "mac" | "unicast" | "packet"> {
  /** Its tag; absent where it has none. */
  readonly vlan?: number;
}

/**
 * A tag of 0 tells a priority alone (IEEE 802.1Q 6.9.1), and the kernel delivers as if it were not there.
 *
 * @param vlan the interface's; undefined: an untagged LAN, of which no tagged frame is. Where there is one, a port may still be an access
 * port of it, whose frames bear no tag: they are taken to be of this LAN.
 */
export function checkLanFrame(bytes: Uint8Array, vlan: number | undefined): LanFrame | LanFrameDrop {
  const frame = checkFrame(bytes);
  if (typeof frame === "string") return frame;
  const { mac, unicast, packet } = frame;
  const [tag, another] = frame.vlans.filter((id) => id !== 0);
  if (tag === undefined) return { mac, unicast, packet };
  return tag === vlan && another === undefined ? { mac, unicast, packet, vlan } : "frame.other-vlan";
}
