import { readFile } from 'node:fs/promises';
import { outputSchemaFault } from '#contracts';
import type { OutputSchema } from '#domain';
import { InvalidInput, messageOf } from '#errors';

/**
 * The JSON Schema of `--schema FILE`, checked before anything is started.
 * @throws InvalidInput when the file cannot be read or is no schema that a run can fill
 */
export async function readSchema(path: string): Promise<OutputSchema> {
  let schema: unknown;
  try {
    schema = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new InvalidInput(
      [{ path: '--schema', message: `${path} is not readable JSON: ${messageOf(cause).replace(/\s+/g, ' ')}` }],
      {
        cause,
      },
    );
  }
  if (!isObject(schema)) throw new InvalidInput([{ path: '--schema', message: `${path} holds no JSON object` }]);
  const fault = outputSchemaFault(schema);
  if (fault !== null) throw new InvalidInput([{ path: '--schema', message: `${path}: ${fault}` }]);
  return schema;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
