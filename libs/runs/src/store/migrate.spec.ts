import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';

it('the scripts of the schema are numbered from 1, none left out and none twice', () => {
  const names = readdirSync(join(import.meta.dirname, '..', '..', 'migrations')).sort();
  const numbers = names.map((name) => /^(\d{4})_\w+\.sql$/.exec(name)?.[1]);
  expect(numbers).toEqual(names.map((_, index) => String(index + 1).padStart(4, '0')));
});
