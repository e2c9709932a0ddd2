/** Which files of a checkpoint are wanted, and what they must hold. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { InvalidInput, messageOf, type Problem } from '#errors';
import { isPlainName } from './source.ts';

/** Expected hashes by file, in lower-case hex; null where any content is taken. */
export type WantedFiles = ReadonlyMap<string, string | null>;

/** Without these a model cannot be served. */
export const neededFiles: readonly string[] = ['config.json', 'tokenizer.json', 'tokenizer_config.json'];
/** Taken where they are there. */
export const furtherFiles: readonly string[] = [
  'generation_config.json',
  'chat_template.jinja',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
];
export const indexFile = 'model.safetensors.index.json';
export const onlyFile = 'model.safetensors';

/**
 * Reads a list as `sha256sum` writes it: a hash, two characters, a name, one a line.
 * @throws InvalidInput naming each line that is none
 */
export async function readSums(path: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new InvalidInput([{ path: '--sha256s', message: `cannot be read: ${messageOf(error)}` }], { cause: error });
  });
  const sums = new Map<string, string>();
  const problems: Problem[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, hash = '', name = ''] = /^([0-9a-fA-F]{64})[ \t]+\*?(?:\.\/)?(.+?)\s*$/.exec(line) ?? [];
    if (isPlainName(name) && !sums.has(name)) sums.set(name, hash.toLowerCase());
    else problems.push({ path: `${path}:${i + 1}`, message: 'is no hash and name of a file, or names it again' });
  }
  if (sums.size === 0 && problems.length === 0) problems.push({ path, message: 'names no file' });
  if (problems.length > 0) throw new InvalidInput(problems.slice(0, 20));
  return sums;
}

const schema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** The files that an index names. @throws InvalidInput for what is no index, or names a file elsewhere */
export function filesOfIndex(text: string): readonly string[] {
  const files = [...new Set(Object.values(indexOf(text)))].toSorted();
  const odd = files.find((file) => !isPlainName(file));
  if (files.length > 0 && odd === undefined) return files;
  const message =
    odd === undefined ? 'names no file' : `names ${JSON.stringify(odd.slice(0, 100))}, which is no file beside it`;
  throw new InvalidInput([{ path: indexFile, message }]);
}

function indexOf(text: string): Readonly<Record<string, string>> {
  try {
    return schema.parse(JSON.parse(text)).weight_map;
  } catch (error) {
    throw new InvalidInput([{ path: indexFile, message: 'is no index of weights' }], { cause: error });
  }
}
