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
export interface Wanted {
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
