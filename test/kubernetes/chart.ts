/** The chart as helm renders it. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { findHelm } from '../../scripts/servers/helm.mjs';

const root = join(import.meta.dirname, '..', '..');
export const chartFolder = join(root, 'helm', 'argosy');

/** What production clusters have beside Kubernetes' own kinds. */
export const extraApis = ['monitoring.coreos.com/v1', 'gateway.networking.k8s.io/v1'];

/** An object of Kubernetes, as far as tests look. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Labels };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly data?: Readonly<Record<string, string>>;
}

export type Labels = Readonly<Record<string, string>>;

/** Pods that an object makes, or the pod itself. */
export interface PodShape {
  readonly metadata: { readonly labels: Labels };
  readonly spec: {
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly terminationGracePeriodSeconds?: number;
  } & Readonly<Record<string, unknown>>;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly lifecycle?: { readonly preStop?: { readonly sleep?: { readonly seconds: number } } };
}

/** Names of the value sets under ci/. */
export function valueSets(): string[] {
  return readdirSync(join(chartFolder, 'ci')).map((file) => file.replace(/-values\.yaml$/, ''));
}

export const valuesOf = (set: string): string => join(chartFolder, 'ci', `${set}-values.yaml`);

export interface Render {
  readonly files?: readonly string[];
  /** As `--set-json` takes it: `gateway.replicas=3`. */
  readonly set?: readonly string[];
  readonly release?: string;
  readonly apis?: readonly string[];
}

export interface Rendered {
  readonly status: number | null;
  readonly text: string;
  readonly stderr: string;
}

export function helm(args: readonly string[]): Rendered {
  const { status, stdout, stderr } = spawnSync(findHelm() ?? 'helm', args, { encoding: 'utf8', timeout: 60_000 });
  return { status, text: stdout, stderr };
}

/** `helm template` as for a cluster of Kubernetes 1.36, in the namespace `research`. */
export function render({ files = [], set = [], release = 'argosy', apis = extraApis }: Render): Rendered {
  return helm([
    ...['template', release, chartFolder, '--namespace', 'research', '--kube-version', '1.36.0'],
    ...files.flatMap((file) => ['--values', file]),
    ...set.flatMap((pair) => ['--set-json', pair]),
    ...apis.flatMap((api) => ['--api-versions', api]),
  ]);
}

/** @throws Error where helm refuses, with its words */
export function objectsOf(options: Render): Manifest[] {
  const { status, text, stderr } = render(options);
  if (status !== 0) throw new Error(stderr);
  return parseManifests(text);
}

/** Documents of a YAML text, empty ones left out. */
function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null) // rendered by our own templates
    .filter((manifest) => manifest !== null);
}

/** The shape of an object's pods; null where it has none. */
export function podOf({ kind, metadata, spec }: Manifest): PodShape | null {
  if (kind === 'Pod') return { metadata: { labels: metadata.labels ?? {} }, spec: spec as PodShape['spec'] }; // a pod's
  return ['Deployment', 'StatefulSet', 'Job'].includes(kind) ? (spec?.['template'] as PodShape) : null; // theirs
}
