/** A subset of JSON Schema (2020-12) as an expression over the texts of the values that fit. */
import { InvalidInput, type Problem } from '#errors';
import type { Expression, Expressions } from './expressions.ts';
import { type Count, JsonParts, type Member } from './json-parts.ts';
import { integerPattern, MOST_WHOLE, numberPattern } from './number-ranges.ts';
import { into, type Place, pointed } from './places.ts';
import { PatternFault, patternOf } from './regex.ts';
import {
  ANNOTATIONS,
  familiesOf,
  isOfType,
  isRecord,
  KEYWORDS,
  type Schema,
  type TypeName,
  typesOf,
} from './schema-words.ts';

/** Longest schema, in characters of JSON. */
const MOST_CHARACTERS = 65_536;
const MOST_LEVELS = 32;
const MOST_MEMBERS = 100;
const MOST_VALUES = 1_000;
/** Expressions that one constraint may be made of. */
const MOST_MADE = 50_000;

export interface SchemaUse {
  /** The field that holds it, for messages. */
  readonly path: string;
  /** True: what lies outside the subset is passed over. */
  readonly loose: boolean;
}

/** @param json '' for any value @throws InvalidInput naming each keyword that cannot be used, and where it stands */
export function schemaOf(on: Expressions, json: string, use: SchemaUse): Expression {
  if (json === '') return new JsonParts(on).any();
  const reader = new SchemaReader(on, parsed(json, use.path), use);
  const read = reader.root();
  if (reader.problems.length > 0) throw new InvalidInput(reader.problems);
  return read;
}

function parsed(json: string, path: string): unknown {
  if (json.length > MOST_CHARACTERS) {
    const message = `has ${json.length} characters; at most ${MOST_CHARACTERS} are taken`;
    throw new InvalidInput([{ path, message }]);
  }
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new InvalidInput([{ path, message: 'is no JSON: give a JSON Schema as its text' }], { cause: error });
  }
}

class SchemaReader {
  readonly problems: Problem[] = [];
  readonly #on: Expressions;
  readonly #parts: JsonParts;
  readonly #root: unknown;
  readonly #use: SchemaUse;
  readonly #madeBefore: number;
  readonly #referred = new Map<string, Expression>();

  constructor(on: Expressions, root: unknown, use: SchemaUse) {
    this.#on = on;
    this.#madeBefore = on.made;
    this.#parts = new JsonParts(on);
    this.#root = root;
    this.#use = use;
  }

  root(): Expression {
    return this.#read(this.#root, { pointer: '', level: 0, within: [] });
  }

  #read(schema: unknown, place: Place): Expression {
    if (schema === true) return this.#parts.any();
    if (!isRecord(schema)) return this.#wrong(place, 'must be an object or true');
    if (place.level > MOST_LEVELS) return this.#beyond(place, `is nested deeper than ${MOST_LEVELS} levels`);
    if (this.#on.made - this.#madeBefore > MOST_MADE) return this.#beyond(place, 'makes the schema too large');
    for (const word of Object.keys(schema)) {
      if (!KEYWORDS.has(word)) this.#beyond(into(place, word), 'is not supported: leave it out, and check the value');
    }
    if (schema['nullable'] === true && !('type' in schema)) this.#beyond(place, 'is "nullable" without a "type"');
    return this.#whole(schema, place);
  }

  #whole(schema: Schema, place: Place): Expression {
    if ('$ref' in schema) return this.#refer(schema, place);
    if ('anyOf' in schema) return this.#anyOf(schema, place);
    if ('const' in schema) return this.#values(schema, [schema['const']], into(place, 'const'));
    if ('enum' in schema) return this.#values(schema, schema['enum'], into(place, 'enum'));
    const types = 'type' in schema ? typesOf(schema['type']) : familiesOf(schema);
    if (types === null) return this.#wrong(into(place, 'type'), 'must be the name of a JSON type, or a list of them');
    if (types.length > 1 && !('type' in schema)) {
      return this.#beyond(place, `has keywords of ${types.join(' and ')}: name its "type"`);
    }
    if (types.length === 0) return this.#parts.any();
    const nullable = schema['nullable'] === true ? [this.#parts.null()] : [];
    return this.#on.choice([...types.map((type) => this.#typed(type, schema, place)), ...nullable]);
  }

  #typed(type: TypeName, schema: Schema, place: Place): Expression {
    switch (type) {
      case 'object':
        return this.#object(schema, place);
      case 'array': {
        const element = 'items' in schema ? this.#read(schema['items'], into(place, 'items')) : this.#parts.any();
        return this.#parts.array(element, this.#count(schema, ['minItems', 'maxItems'], place));
      }
      case 'string':
        return this.#string(schema, place);
      case 'number':
      case 'integer':
        return this.#number(type, schema, place);
      case 'boolean':
        return this.#parts.boolean();
      case 'null':
        return this.#parts.null();
    }
  }

  #refer(schema: Schema, place: Place): Expression {
    const here = into(place, '$ref');
    this.#alone(schema, ['$ref'], place);
    const target = schema['$ref'];
    if (typeof target !== 'string' || !/^#(?:\/|$)/.test(target)) {
      return this.#beyond(here, 'must point inside the schema, as "#/$defs/name" does');
    }
    const known = this.#referred.get(target);
    if (known !== undefined) return known;
    if (target === '#' || place.within.includes(target)) return this.#beyond(here, 'leads back to itself');
    const found = pointed(this.#root, target.slice(1));
    if (found === undefined) return this.#wrong(here, `${target} is not in the schema`);
    const within = [...place.within, target];
    const read = this.#read(found, { pointer: target.slice(1), level: place.level + 1, within });
    this.#referred.set(target, read);
    return read;
  }

  #anyOf(schema: Schema, place: Place): Expression {
    const here = into(place, 'anyOf');
    this.#alone(schema, ['anyOf'], place);
    const options = schema['anyOf'];
    if (!Array.isArray(options) || options.length === 0) return this.#wrong(here, 'must be a list of schemas');
    return this.#on.choice(options.map((option: unknown, i) => this.#read(option, into(here, `${i}`))));
  }

  #values(schema: Schema, values: unknown, place: Place): Expression {
    this.#alone(schema, ['const', 'enum', 'type', 'nullable'], place);
    if (!Array.isArray(values)) return this.#wrong(place, 'must be a list of values');
    if (values.length > MOST_VALUES) return this.#beyond(place, `has ${values.length} values; at most ${MOST_VALUES}`);
    const types = 'type' in schema ? typesOf(schema['type']) : null;
    const isFitting = (value: unknown): boolean =>
      types === null || (value === null && schema['nullable'] === true) || types.some((type) => isOfType(value, type));
    const fitting = values.filter(isFitting);
    if (fitting.length === 0) return this.#wrong(place, 'has no value that its type allows');
    return this.#on.choice(fitting.map((value: unknown) => this.#value(value, place)));
  }

  #value(value: unknown, place: Place): Expression {
    const deeper = { ...place, level: place.level + 1 };
    if (place.level > MOST_LEVELS) return this.#beyond(place, `is nested deeper than ${MOST_LEVELS} levels`);
    if (Array.isArray(value))
      return this.#parts.fixed(
        '[',
        value.map((one: unknown) => this.#value(one, deeper)),
      );
    if (!isRecord(value)) return this.#on.text(JSON.stringify(value));
    const members = Object.entries(value).map(([name, one]) => {
      return this.#parts.member(this.#on.text(JSON.stringify(name)), this.#value(one, deeper));
    });
    return this.#parts.fixed('{', members);
  }

  #object(schema: Schema, place: Place): Expression {
    const { properties = {}, required = [], additionalProperties: additional } = schema;
    if (!isRecord(properties)) return this.#wrong(into(place, 'properties'), 'must be an object of schemas');
    if (!Array.isArray(required) || !required.every((name) => typeof name === 'string')) {
      return this.#wrong(into(place, 'required'), 'must be a list of names');
    }
    const here = into(place, 'properties');
    const unnamed = required.filter((name) => !Object.hasOwn(properties, name));
    if (additional === false && unnamed.length > 0) {
      return this.#wrong(into(place, 'required'), `asks for "${unnamed[0]}", which additionalProperties forbids`);
    }
    const names = [...new Set([...Object.keys(properties), ...unnamed])];
    if (names.length > MOST_MEMBERS) return this.#beyond(here, `has ${names.length} names; at most ${MOST_MEMBERS}`);
    const odd = names.find((name) => name === '__proto__' || !name.isWellFormed());
    if (odd !== undefined) return this.#beyond(into(here, odd), 'is no name that can be checked');
    const isOpen = isRecord(additional) || additional === true || (additional === undefined && names.length === 0);
    const read = isRecord(additional) ? this.#read(additional, into(place, 'additionalProperties')) : this.#parts.any();
    const members = names.map((name): Member => {
      const own = Object.hasOwn(properties, name);
      const value = own ? this.#read(properties[name], into(here, name)) : read;
      return { name, value, required: required.includes(name) };
    });
    return this.#parts.object(members, isOpen ? read : null);
  }

  #string(schema: Schema, place: Place): Expression {
    const length = this.#count(schema, ['minLength', 'maxLength'], place);
    if (!('pattern' in schema)) return this.#parts.string(length);
    const here = into(place, 'pattern');
    const { pattern } = schema;
    if (typeof pattern !== 'string') return this.#wrong(here, 'must be a string');
    if (length.least > 0 || length.most < Infinity) {
      this.#beyond(here, 'is not supported beside minLength and maxLength: say the length in the pattern');
      return this.#parts.string(length);
    }
    try {
      const inner = patternOf(this.#on, pattern, { meaning: 'search', writing: 'json' });
      return inner === this.#on.never ? this.#wrong(here, 'fits nothing') : this.#parts.quoted(inner);
    } catch (error) {
      if (!(error instanceof PatternFault)) throw error;
      this.#beyond(here, error.message);
      return this.#parts.string(length);
    }
  }

  #number(type: 'number' | 'integer', schema: Schema, place: Place): Expression {
    const bounds = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'].filter((word) => word in schema);
    const free = type === 'number' ? this.#parts.number() : this.#parts.integer();
    let [least, most] = [-MOST_WHOLE, MOST_WHOLE];
    for (const word of bounds) {
      const bound = schema[word];
      const isExclusive = word.startsWith('exclusive');
      const here = into(place, word);
      if (typeof bound !== 'number') return this.#wrong(here, 'must be a number');
      const isUsable =
        (Number.isInteger(bound) && Math.abs(bound) < MOST_WHOLE) ||
        (type === 'integer' && Math.abs(bound) < MOST_WHOLE);
      if (!isUsable || (type === 'number' && isExclusive)) {
        this.#beyond(here, 'is supported for integers, and for numbers where it is whole and not exclusive');
        continue;
      }
      if (/min/i.test(word)) least = Math.max(least, isExclusive ? Math.floor(bound) + 1 : Math.ceil(bound));
      else most = Math.min(most, isExclusive ? Math.ceil(bound) - 1 : Math.floor(bound));
    }
    if (least > most) return this.#wrong(place, 'allows no number: its bounds contradict each other');
    if (least === -MOST_WHOLE && most === MOST_WHOLE) return free;
    return this.#parts.numberLike((type === 'integer' ? integerPattern : numberPattern)(least, most));
  }

  #count(schema: Schema, [low, high]: readonly [string, string], place: Place): Count {
    const of = (word: string, otherwise: number): number => {
      const value = schema[word] ?? otherwise;
      if (value === Infinity || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0)) return value;
      this.#wrong(into(place, word), 'must be a whole number of at least 0');
      return otherwise;
    };
    const [least, most] = [of(low, 0), of(high, Infinity)];
    if (least > most) this.#wrong(into(place, high), `is ${most}, which is below ${low}, ${least}: nothing fits`);
    return { least: Math.min(least, most), most };
  }

  /** No other keyword beside these but notes. */
  #alone(schema: Schema, words: readonly string[], place: Place): void {
    for (const word of Object.keys(schema)) {
      if (words.includes(word) || ANNOTATIONS.has(word) || !KEYWORDS.has(word)) continue;
      this.#beyond(place, `is not supported beside "${word}"`);
    }
  }

  /** Outside the subset. */
  #beyond(place: Place, message: string): Expression {
    return this.#use.loose ? this.#parts.any() : this.#wrong(place, message);
  }

  #wrong({ pointer }: Place, message: string): Expression {
    if (this.problems.length < 16) this.problems.push({ path: `${this.#use.path}#${pointer}`, message });
    return this.#on.empty;
  }
}
