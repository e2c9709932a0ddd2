import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { InvalidInput } from '#errors';
import { READABLE_TYPES } from '../text/document.ts';
import { locate } from './locate.ts';
import { describe, type Found, type Skip, walk } from './walk.ts';

/** What can be indexed below a path, before anything of it is read. */
export interface Survey extends Found {
  readonly name: string;
}

/**
 * Looks at a folder or file as a sync would. Blocks: for a worker thread.
 * @throws InvalidInput when it is missing, unreadable or holds nothing that can be used
 */
export function survey(path: string): Survey {
  const { real, name } = locate(path);
  const found = look(real);
  if (found.files.length === 0) throw nothingUsable(path, found.skipped);
  return { name, ...found };
}

/** The files of a folder, or the one file that was named. */
export function look(path: string): Found {
  if (statSync(path).isDirectory()) return walk(path);
  const file = describe(basename(path), path);
  if (!('reason' in file)) return { files: [file], skipped: [] };
  throw new InvalidInput([{ path, message: `${file.reason}. Name a file or a folder with ${READABLE_TYPES}.` }]);
}

/** The fault of a path that holds no document. */
export function nothingUsable(path: string, skipped: readonly Skip[]): InvalidInput {
  const reasons = new Map<string, number>();
  for (const { reason } of skipped) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  const [only] = skipped;
  const found =
    skipped.length === 1 && only
      ? `${only.path}: ${only.reason}`
      : [...reasons].map(([reason, count]) => `${count} x ${reason}`).join('; ') || 'nothing at all';
  const message = `holds no document that can be used (found: ${found}). Read are ${READABLE_TYPES}.`;
  return new InvalidInput([{ path, message }]);
}
