import { describe, expect, it } from '@jest/globals';
import { exactCut } from './pieces.ts';

const letters = (text: string) => [...text].map((letter) => letter.codePointAt(0) ?? 0);
const words = 'Some words, again and again.\n'.repeat(1_000);
const text = `<a>${words}<b>${words}`;

describe('exactCut', () => {
  it('cuts at control tokens and inside the text for an encoder to which no border matters', () => {
    const pieces = exactCut(letters, ['<a>', '<b>'])(text);
    expect(pieces.join('')).toBe(text);
    expect(pieces.length).toBeGreaterThan(10);
    expect(pieces.filter((piece) => piece.startsWith('<b>')).length).toBe(1);
  });

  it('cuts at control tokens alone for an encoder that treats the start of each stretch between them apart', () => {
    const stretches = (given: string) => given.split(/(<[ab]>)/).flatMap((part) => (part ? [0, ...letters(part)] : []));
    expect(exactCut(stretches, ['<a>', '<b>'])(text)).toEqual([`<a>${words}`, `<b>${words}`]);
  });

  it('cuts nothing for an encoder that treats the start of the whole text apart', () => {
    expect(exactCut((given) => [0, ...letters(given)], ['<a>', '<b>'])(text)).toEqual([text]);
  });

  it('takes a longer control token for itself and not for the shorter one in it', () => {
    const cut = exactCut(letters, ['|x', '<|x|>', '(']);
    expect(cut('a<|x|>b|xc(d')).toEqual(['a', '<|x|>b', '|xc', '(d']);
  });

  it('leaves a long run without a safe place in one piece', () => {
    const digits = '7'.repeat(20_000);
    expect(exactCut(letters, [])(digits)).toEqual([digits]);
  });
});
