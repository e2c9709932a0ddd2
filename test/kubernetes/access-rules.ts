/** What the chart lets the autoscaler do, and what the API server in memory makes of it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

/** Of a Role. */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** A RoleBinding. */
export interface Binding {
  readonly roleRef: { readonly name: string };
  readonly subjects: readonly { readonly kind: string; readonly name: string }[];
}

interface Document {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules?: readonly Rule[];
}

export const account = 'argosy-autoscaler';

/** The rules of the autoscaler's Role as the chart is rendered with a value set: that of the golden files. */
export function chartRules(set: 'production' | 'gpu-a100-2'): readonly Rule[] {
  const text = readFileSync(join(import.meta.dirname, '..', 'golden', 'helm', `${set}.yaml`), 'utf8');
  const documents = parseAllDocuments(text).map((document) => document.toJS() as Document | null); // by our templates
  const role = documents.find((document) => document?.kind === 'Role' && document.metadata.name === account);
  if (role?.rules === undefined) throw new Error(`the chart has no Role ${account} with the values ${set}`);
  return role.rules;
}

/** The same rules for one object more wherever they name `like`. */
export function withName(rules: readonly Rule[], like: string, more: string): readonly Rule[] {
  return rules.map((rule) =>
    rule.resourceNames?.includes(like) ? { ...rule, resourceNames: [...rule.resourceNames, more] } : rule,
  );
}

/** What somebody wants to do. */
interface Wanted {
  readonly verb: string;
  readonly group: string;
  /** With the subresource, if it is of one. */
  readonly resource: string;
  readonly object: string | undefined;
}

/** As Kubernetes judges, but for wildcards. */
export function isAllowed(rules: readonly Rule[], { verb, group, resource, object }: Wanted): boolean {
  return rules.some(
    ({ apiGroups, resources, resourceNames, verbs }) =>
      apiGroups.includes(group) &&
      resources.includes(resource) &&
      verbs.includes(verb) &&
      (resourceNames === undefined || (object !== undefined && resourceNames.includes(object))),
  );
}

const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** What a request wants. @param kind path of its kind, such as `apis/apps/v1/deployments` */
export function wantedBy(request: {
  readonly method: string;
  readonly kind: string;
  readonly name: string | undefined;
  readonly part: string | undefined;
  readonly query: URLSearchParams;
}): Wanted {
  const { method, kind, name, part, query } = request;
  const [, group = ''] = /^apis\/([^/]+)\//.exec(kind) ?? [];
  const plural = kind.replace(/^.*\//, '');
  const looks = query.get('watch') === 'true' ? 'watch' : name === undefined ? 'list' : 'get';
  const resource = part === undefined ? plural : `${plural}/${part}`;
  return { verb: verbs[method] ?? looks, group, resource, object: name };
}
