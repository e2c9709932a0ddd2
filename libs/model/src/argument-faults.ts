/** Whether the arguments of a call fit what their tool says it takes. */
import { z } from 'zod';

/** The part of JSON Schema that is checked; anything else is the tool's own business. */
const schemaSchema = z.object({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  required: z.array(z.string()).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  additionalProperties: z.unknown().optional(),
  items: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
});
type Schema = z.infer<typeof schemaSchema>;

/**
 * What is wrong with some arguments, each a sentence that names the place; empty when nothing is. Checked are `type`,
 * `required`, `properties`, `items`, `enum` and `additionalProperties: false`; counts, lengths and formats are left to
 * the tool. A lone value stands for an array of one, as tools take it. Cost O(arguments).
 */
export function argumentFaults(
  args: Readonly<Record<string, unknown>>,
  parameters: Readonly<Record<string, unknown>>,
): string[] {
  return faultsOf(args, parameters, '');
}

function faultsOf(value: unknown, given: unknown, path: string): string[] {
  const schema = schemaSchema.safeParse(given).data ?? {};
  const fault = ownFault(value, schema, path);
  if (fault !== null) return [fault];
  if (Array.isArray(value)) return value.flatMap((item, i) => faultsOf(item, schema.items, `${path}[${i}]`));
  if (isRecord(value)) return memberFaults(value, schema, path);
  return [];
}

function ownFault(value: unknown, { type, items, enum: allowed }: Schema, path: string): string | null {
  const types = type === undefined ? [] : [type].flat();
  const alone = types.includes('array') && isOf(value, [schemaSchema.safeParse(items).data?.type ?? []].flat());
  if (types.length > 0 && !isOf(value, types) && !alone) {
    return `"${path}" must be ${types.map((name) => (name === 'null' ? name : `${article(name)} ${name}`)).join(' or ')}, but is ${kindOf(value)}.`;
  }
  if (allowed && !allowed.includes(value)) {
    return `"${path}" must be one of ${allowed.map((item) => JSON.stringify(item)).join(', ')}.`;
  }
  return null;
}

function memberFaults(value: Readonly<Record<string, unknown>>, schema: Schema, path: string): string[] {
  const { required = [], properties = {} } = schema;
  const place = (name: string): string => (path === '' ? name : `${path}.${name}`);
  const missing = required.filter((name) => !Object.hasOwn(value, name)).map((name) => `"${place(name)}" is missing.`);
  const wrong = Object.entries(value).flatMap(([name, member]) => {
    if (Object.hasOwn(properties, name)) return faultsOf(member, properties[name], place(name));
    const known = Object.keys(properties).join(', ') || 'none';
    return schema.additionalProperties === false ? [`"${place(name)}" is not known; known: ${known}.`] : [];
  });
  return [...missing, ...wrong];
}

function isOf(value: unknown, types: readonly string[]): boolean {
  return types.some((type) => {
    switch (type) {
      case 'integer':
        return Number.isInteger(value);
      case 'null':
        return value === null;
      case 'array':
        return Array.isArray(value);
      case 'object':
        return isRecord(value);
      default:
        return typeof value === type;
    }
  });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a JSON value is, with its article. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  const kind = Array.isArray(value) ? 'array' : typeof value;
  return `${article(kind)} ${kind}`;
}

function article(noun: string): string {
  return /^[aeiou]/.test(noun) ? 'an' : 'a';
}
