/** The one way out (architecture D12). The only home of undici and ipaddr.js. */
export { Egress, type EgressOptions, type EgressRequest, type EgressResponse } from './egress.ts';
export { EgressBlocked, EgressFault } from './faults.ts';
export type { EgressLimits, ProxyLimits } from './limits.ts';
export { type AllowedTarget, parseAllow, parseDeny } from './policy.ts';
export { EgressProxy, type Exchange, type ProxyOptions } from './proxy.ts';
export type { Method } from './redirects.ts';
