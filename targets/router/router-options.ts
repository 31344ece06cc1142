// The configuration as the router's machine takes it, and what of it waits for the next start.
import type { RuleOrigin } from "../../core/igmp/admission.ts";
import type { Links } from "../../core/ports/links.ts";
import type { RouterOptions } from "../../core/router/options.ts";
import {
  type DownstreamConfig,
  given,
  proxied,
  type RouterConfig,
  snooped,
  type UpstreamConfig,
  upstreamsOf,
} from "./config.ts";

/**
 * Entries that differ and do not take effect at once: of the interfaces their names, how we speak upstream, and what the bridge ports of
 * a downstream get ("downstreams.br-lan.routerPorts").
 */
export function needingRestart(old: RouterConfig, config: RouterConfig): readonly string[] {
  const fixed = (one: RouterConfig): Entries => ({
    ...one,
    downstreams: one.downstreams.map((downstream) => downstream.interface).sort(),
    rules: undefined,
    bandwidth: undefined,
    policy: { file: one.policy.file },
    enforce: { file: one.enforce?.file },
    upstream: one.upstream && fixedUpstream(one.upstream),
    upstreams: one.upstreams.map(fixedUpstream),
  });
  return [...differing(fixed(old), fixed(config)), ...old.downstreams.flatMap((one) => ofBridge(old, config, one))];
}

type Entries = Readonly<Record<string, unknown>>;

function differing(was: Entries, is: Entries): readonly string[] {
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return names.filter((name) => JSON.stringify(was[name]) !== JSON.stringify(is[name]));
}

/** Nothing of one that is gone or was not there, which differs as a whole. */
function ofBridge(old: RouterConfig, config: RouterConfig, { interface: name }: DownstreamConfig): readonly string[] {
  const [was, is] = [old, config].map((one) => fixedOfBridge(one, name));
  if (was === undefined || is === undefined) return [];
  const entries = differing(was, is);
  return (entries.includes("snooping") ? ["snooping"] : entries).map((entry) => `downstreams.${name}.${entry}`);
}

/** The ports' tables and the bridge's are made once, where ports are kept. */
function fixedOfBridge(config: RouterConfig, name: string): Entries | undefined {
  const one = config.downstreams.find(({ interface: its }) => its === name);
  if (one === undefined || !snooped(config).includes(one)) return one && { snooping: false };
  const { maxGroups, maxGroupsPerPort, maxSources, maxSourcesPerInterface, maxSourcesPerPort } = one;
  const limits = { maxGroups, maxGroupsPerPort, maxSources, maxSourcesPerInterface, maxSourcesPerPort };
  const { routerPorts, proxyReporting, reportSource } = one;
  return { snooping: true, routerPorts, proxyReporting, reportSource, ...limits };
}

const fixedUpstream = ({ interface: name, version, forceVersion, refresh }: UpstreamConfig): object => ({
  name,
  version,
  forceVersion,
  refresh,
});

const NOTHING: ReadonlySet<string> = new Set();

/**
 * What the machine is told of the configuration, and of the links where that leaves something open. `byControl`: the entries that are not
 * the file's (`InForce`).
 */
export function routerOptions(config: RouterConfig, links: Links, byControl = NOTHING): RouterOptions {
  const from = (entry: string): RuleOrigin => (byControl.has(entry) ? "control" : "file");
  return {
    downstreams: config.downstreams.map((one) => ({
      name: one.interface,
      forwarder: one.forwarder,
      allow: one.allow,
      deny: one.deny,
      allowFrom: from(`downstreams.${one.interface}.allow`),
      denyFrom: from(`downstreams.${one.interface}.deny`),
      snooping: snooped(config).includes(one),
      ...given({
        proxyReports: proxied(config).includes(one) ? one.reportSource : undefined,
        sources: one.sources,
        vlan: one.vlan ?? links.get(one.interface)?.vlan ?? vlanOf(one.interface),
        bandwidth: one.bandwidth,
        portBandwidth: one.portBandwidth,
      }),
      staticGroups: one.staticGroups,
      igmp: {
        version: one.version,
        times: one.times,
        leave: one.leave,
        isolated: one.isolated,
        maxQueryInterval: one.maxQueryInterval,
        ...given({
          queriers: one.queriers,
          querierPorts: one.querierPorts,
          flapGrace: one.flapGrace,
          sourceSpecific: one.sourceSpecific,
        }),
        maxGroups: one.maxGroups,
        maxSourcesPerGroup: one.maxSources,
        maxHostMemberships: one.maxHostMemberships,
        maxSourcesPerInterface: one.maxSourcesPerInterface,
        ...given({
          maxGroupsPerHost: one.maxGroupsPerHost,
          maxGroupsPerPort: one.maxGroupsPerPort,
          maxSourcesPerHost: one.maxSourcesPerHost,
          maxSourcesPerPort: one.maxSourcesPerPort,
        }),
        proxies: one.proxies,
        joinsPerSecond: one.joinsPerSecond,
        newHostsPerMinute: one.newHostsPerMinute,
        newHostsPerMinutePerPort: one.newHostsPerMinutePerPort,
        requireRouterAlert: one.requireRouterAlert,
        verifySourceSubnet: one.verifySourceSubnet,
        checksum: one.checksum,
      },
    })),
    upstreams: upstreamsOf(config).map(({ interface: name, version, refresh, groups, allow, linger, ...rest }) => ({
      ...{ name, version, refresh, groups, allow, linger },
      ...given(rest),
    })),
    rules: config.rules,
    rulesFrom: from("rules"),
    bandwidth: config.bandwidth,
    ...given({ enforce: config.enforce }),
    idle: config.idle,
    maxRoutes: config.maxRoutes,
    maxRoutesPerSource: config.maxRoutesPerSource,
  };
}

/** As a VLAN of an interface is mostly called: "eth0.10", "br-lan.10". */
const vlanOf = (name: string): number | undefined => {
  const [, id = ""] = /\.(\d{1,4})$/.exec(name) ?? [];
  return id === "" ? undefined : Number(id);
};
