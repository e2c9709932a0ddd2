import { describe, expect, it } from '@jest/globals';
import type { AboutResource } from '../libs.ts';
import { gapsOf } from './gaps.ts';

const whole: AboutResource = {
  model: { id: 'writer', language_model: true, reads_pages: true },
  other_models: 0,
  search: { providers: ['arxiv'], narrowed: false },
  tools: { browser: true },
};
const bare: AboutResource = {
  ...whole,
  model: { id: 'extractive', language_model: false, reads_pages: false },
  search: { providers: [], narrowed: false },
  tools: { browser: false },
};
const told = (about: AboutResource): string[] => gapsOf(about).map(({ title }) => title);

describe('what a server goes without', () => {
  it('is nothing where everything is there', () => {
    expect(told(whole)).toEqual([]);
  });

  it('is each part that is missing, the worst first, with at most three lines that change it', () => {
    expect(told(bare)).toEqual(['No language model is connected', 'The web is not searched', 'There is no browser']);
    for (const { lines } of gapsOf(bare)) expect(lines).toMatch(/^(.+\n){1,2}npm start$/);
  });

  it('says nothing of a browser in a fleet, and of no process to start again', () => {
    const fleet = { ...bare, tools: null };
    expect(told(fleet)).toEqual(['No language model is connected', 'The web is not searched']);
    for (const { lines } of gapsOf(fleet)) expect(lines).not.toMatch(/export|npm start/);
  });

  it('is another setting where the providers were taken from the tenant', () => {
    const [gap] = gapsOf({ ...whole, search: { providers: [], narrowed: true } });
    expect(gap?.lines).toMatch(/^argosy tenants set/);
  });

  it('is the reading of a language model, and of no other', () => {
    expect(told({ ...whole, model: { ...whole.model, reads_pages: false } })).toEqual([
      'Pages are not read by the model',
    ]);
  });
});
