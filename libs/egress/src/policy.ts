import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Problem } from '#errors';
import { InvalidInput } from '#errors';
import { EgressBlocked, EgressFault, notPublic } from './faults.ts';

/** One private target that the operator named: exactly this host (as written in URLs) on exactly this port. */
export interface AllowedTarget {
  /** Canonical host name or address literal; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

type Address = ReturnType<typeof ipaddr.parse>;
type Cidr = ReturnType<typeof ipaddr.parseCIDR>;

/** Compiled rules: what {@link vetUrl} and {@link vetAnswers} decide by. */
export interface EgressPolicy {
  /** Keys as {@link targetKey} makes them. */
  readonly allowed: ReadonlySet<string>;
  readonly denied: readonly Cidr[];
  readonly ports: ReadonlySet<number>;
}

/** A URL that may be asked for, provided that its host's addresses pass {@link vetAnswers}. */
export interface VettedUrl {
  /** Canonical: no user info, no fragment, no trailing dot of the host. */
  readonly url: URL;
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** True: on the operator's allow list, so that port and address are not judged. */
  readonly exempt: boolean;
}

const MAX_URL_CHARS = 8_192;

/** Public unicast by number, yet answering only inside a cloud: Azure's wire server (metadata, DHCP, DNS). */
const ALWAYS_DENIED = ['168.63.129.16/32'];

/** IANA's only global unicast allocation. ipaddr.js calls all of the unassigned rest "unicast", `::127.0.0.1` too. */
const GLOBAL_UNICAST_V6 = ipaddr.parseCIDR('2000::/3');

/**
 * Parses the operator's allow list, `host:port,host:port` with IPv6 in brackets.
 * @throws InvalidInput naming each entry that cannot be used
 */
export function parseAllow(text: string): AllowedTarget[] {
  const problems: Problem[] = [];
  const targets: AllowedTarget[] = [];
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    const target = parseTarget(entry);
    if (target) targets.push(target);
    else problems.push(badTarget(entry));
  }
  if (problems.length > 0) throw new InvalidInput(problems);
  return targets;
}

/**
 * Parses the operator's list of address ranges that nobody may be led to, `CIDR,CIDR`.
 * @throws InvalidInput naming each entry that is none
 */
export function parseDeny(text: string): string[] {
  const ranges = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const problems = ranges
    .filter((range) => !ipaddr.isValidCIDR(range))
    .map((range) => badRange('ARGOSY_EGRESS_DENY', range));
  if (problems.length > 0) throw new InvalidInput(problems);
  return ranges;
}

function badRange(path: string, range: string): Problem {
  return { path, message: `"${range}" is not an address range; write for example 10.96.0.0/12` };
}

function badTarget(entry: string): Problem {
  const message = `"${entry}" is not host:port; write for example search.internal:8080 or [fd00::5]:8080`;
  return { path: 'ARGOSY_EGRESS_ALLOW', message };
}

function parseTarget(entry: string): AllowedTarget | undefined {
  const match = /^(\[[^\]]+\]|[^\s:/?#@[\]\\]+):(\d{1,5})$/.exec(entry);
  const port = Number(match?.[2]);
  const url = URL.parse(`http://${match?.[1]}/`);
  if (!match || !url || !(port >= 1 && port <= 65_535)) return undefined;
  return { host: bareHost(url), port };
}

/**
 * @param rules `deny` CIDRs on top of the built-in rules; `ports` that public hosts may be asked on
 * @throws InvalidInput naming each unusable CIDR or target
 */
export function compilePolicy(rules: {
  allow: readonly AllowedTarget[];
  deny: readonly string[];
  ports: readonly number[];
}): EgressPolicy {
  const problems: Problem[] = [];
  const allowed = new Set<string>();
  for (const { host, port } of rules.allow) {
    const entry = `${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
    const target = parseTarget(entry);
    if (target) allowed.add(targetKey(target.host, target.port));
    else problems.push(badTarget(entry));
  }
  const denied: Cidr[] = [];
  for (const range of [...ALWAYS_DENIED, ...rules.deny]) {
    if (ipaddr.isValidCIDR(range)) denied.push(ipaddr.parseCIDR(range));
    else problems.push(badRange('deny', range));
  }
  if (problems.length > 0) throw new InvalidInput(problems);
  return { allowed, denied, ports: new Set(rules.ports) };
}

/** True when the operator named this host and port. */
export function isExempt(policy: EgressPolicy, host: string, port: number): boolean {
  return policy.allowed.has(targetKey(host, port));
}

function targetKey(host: string, port: number): string {
  return `${port} ${host}`;
}

/**
 * Everything that can be decided from a URL before its host is looked up. Pure.
 * @param from the hop that redirected here, with `text` relative to it
 * @throws EgressFault `invalid` for text that is no URL; EgressBlocked for one that the rules forbid
 */
export function vetUrl(text: string, policy: EgressPolicy, from?: VettedUrl): VettedUrl {
  const url = text.length <= MAX_URL_CHARS ? URL.parse(text, from?.url.href) : null;
  if (!url)
    throw new EgressFault('invalid', `Not a URL of at most ${MAX_URL_CHARS} characters; give a full https:// URL`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw refused(url, 'only http and https URLs can be fetched');
  if (url.username !== '' || url.password !== '')
    throw refused(url, 'user names and passwords in a URL are not allowed');
  url.hash = '';
  if (url.hostname.endsWith('.')) url.hostname = url.hostname.slice(0, -1);
  if (url.hostname.endsWith('.')) throw refused(url, 'the host name has empty labels');

  const host = bareHost(url);
  const port = url.port === '' ? defaultPort(url.protocol) : Number(url.port);
  const exempt = isExempt(policy, host, port);
  if (!exempt && !policy.ports.has(port))
    throw refused(url, `port ${port} is not one of ${[...policy.ports].join(', ')}`);
  if (from?.url.protocol === 'https:' && url.protocol === 'http:') throw refused(url, 'https may not redirect to http');
  // A page anywhere on the web could otherwise steer us into the targets that the operator opened for us alone.
  if (from && exempt && !from.exempt) throw refused(url, 'a public page may not redirect to an internal target');
  return { url, host, port, exempt };
}

function refused(url: URL, why: string): EgressBlocked {
  const place = url.host === '' ? url.protocol : url.host;
  return new EgressBlocked(`${place} was not fetched: ${why}`, `${url.protocol}//${url.host}: ${why}`);
}

/** 80 or 443, as undici and URL leave the default port out. */
export function defaultPort(protocol: string): number {
  return protocol === 'https:' ? 443 : 80;
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/**
 * The addresses that may be dialled for a host: all of them, or none when a single one is not public. Pure.
 * @param answers every address that the name resolved to (or the literal itself)
 * @returns canonical spellings, in the given order
 * @throws EgressBlocked whose message is the same whatever the address was
 */
export function vetAnswers(target: AllowedTarget, answers: readonly string[], policy: EgressPolicy): string[] {
  if (isExempt(policy, target.host, target.port)) return answers.filter((answer) => isIP(answer) !== 0);
  return answers.map((answer) => {
    const reason = whyNotPublic(answer, policy.denied);
    if (reason === undefined) return ipaddr.parse(answer).toString();
    throw notPublic(target.host, `${target.host}:${target.port} resolved to ${answer}: ${reason}`);
  });
}

/**
 * Why an address may not be dialled; undefined when it is public unicast. Transition forms (mapped, NAT64, 6to4,
 * Teredo) are refused whole, whatever IPv4 address they carry: no honest DNS answer needs them.
 */
function whyNotPublic(text: string, denied: readonly Cidr[]): string | undefined {
  // ipaddr.js also parses 0x7f.1 and the like, of which the socket might think differently.
  if (isIP(text) === 0) return 'not an address';
  const address = ipaddr.parse(text);
  const range = address.range();
  if (range !== 'unicast') return range;
  if (address.kind() === 'ipv6' && !address.match(GLOBAL_UNICAST_V6)) return 'outside 2000::/3';
  const carried = isatapCarried(address);
  if (carried && carried.range() !== 'unicast') return `ISATAP of ${carried.range()}`;
  const hit = denied.find((range) => range[0].kind() === address.kind() && address.match(range));
  return hit && `denied range ${hit[0].toString()}/${hit[1]}`;
}

/** RFC 5214 puts an IPv4 address behind `0:5efe` or `200:5efe` under any prefix, also a public one. */
function isatapCarried(address: Address): Address | undefined {
  const bytes = address.toByteArray();
  const marked = bytes.length === 16 && ((bytes[8] ?? 0) & 0xfd) === 0 && bytes[9] === 0 && bytes[10] === 0x5e;
  return marked && bytes[11] === 0xfe ? ipaddr.fromByteArray(bytes.slice(12)) : undefined;
}
