import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { JSDOM } from 'jsdom';
import { charsetOf } from './charset.ts';
import { typeOfName } from './document.ts';
import type { DomDocument } from './dom.ts';
import { readWebPage } from './extract.ts';
import { htmlToText } from './html.ts';

const folder = new URL('../../../../test/golden/pages/', import.meta.url);
const names = readdirSync(folder).filter((name) => name !== 'expected');

/** `expected/<name>.txt`: what the page says of itself as JSON, an empty line, its text. */
function expected(name: string): { facts: unknown; text: string } {
  const content = readFileSync(new URL(`expected/${name}.txt`, folder), 'utf8');
  const end = content.indexOf('\n}\n') + 2;
  return { facts: JSON.parse(content.slice(0, end)), text: content.slice(end + 2, -1) };
}

function bytesAndType(name: string) {
  const type = typeOfName(name);
  if (type === null) throw new Error(`${name} is no type that is read`);
  return { bytes: readFileSync(new URL(name, folder)), type };
}

describe('the golden pages', () => {
  it.each(names)('%s is read as its expected text', async (name) => {
    const { extracted, facts, thin } = await readWebPage(bytesAndType(name));
    const { text, facts: said } = expected(name);
    expect(extracted?.text).toBe(text);
    const { published, modified, language, canonical } = facts ?? {};
    const told = facts ? { published, modified, language, canonical } : {};
    expect({ title: extracted?.title, ...told, thin }).toEqual(said);
  });

  it('are 20 shapes and more', () => {
    expect(names.length).toBeGreaterThanOrEqual(20);
  });

  it.each(names.filter((name) => typeOfName(name) === 'html'))('%s reads the same with a full DOM', (name) => {
    const { bytes, type } = bytesAndType(name);
    const html = new TextDecoder(charsetOf(bytes, type, undefined)).decode(bytes);
    // jsdom's classes are the browser's, of which DomDocument is a part.
    const full = (page: string) => new JSDOM(page).window.document as unknown as DomDocument;
    expect(htmlToText(html, full)).toEqual(htmlToText(html));
  });
});
