import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

/** The version in Argosy's package.json, the nearest one above this file in the sources as in dist. */
export function ownVersion(): string {
  const file = findPackageJSON(import.meta.url);
  if (file === undefined) return 'unknown';
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown };
  return typeof version === 'string' ? version : 'unknown';
}
