import { describe, expect, it } from '@jest/globals';
import { Fragments } from './fragments.ts';

const quick = { failed: false, ms: 5 };
const failed = { failed: true, ms: 5 };
const nothing = { keep: [], lost: 0 };

interface Played {
  readonly name: string;
}

const span = (name: string): Played => ({ name });

function tree(rules = { mostHeld: 10, slowMs: 1_000 }) {
  const fragments = new Fragments<Played>(rules);
  const [step, chat, ask] = [span('step'), span('chat'), span('ask')];
  fragments.begun(step, undefined);
  fragments.begun(chat, step);
  fragments.begun(ask, chat);
  return { fragments, step, chat, ask };
}

describe('spans of traces that are not sampled', () => {
  it('are forgotten where nothing failed and nothing was slow', () => {
    const { fragments, step, chat, ask } = tree();
    for (const one of [ask, chat]) expect(fragments.ended(one, quick)).toEqual(nothing);
    expect(fragments.held).toBe(2);
    expect(fragments.ended(step, quick)).toEqual(nothing);
    expect(fragments.held).toBe(0);
  });

  it('are kept, all of their fragment, once one deep inside failed', () => {
    const { fragments, step, chat, ask } = tree();
    fragments.ended(ask, failed);
    fragments.ended(chat, quick);
    expect(fragments.ended(step, quick)).toEqual({ keep: [ask, chat, step], lost: 0 });
    expect(fragments.held).toBe(0);
  });

  it('are kept where the first of them took as long as is slow, and not where one below did alone', () => {
    const slow = tree();
    slow.fragments.ended(slow.chat, quick);
    expect(slow.fragments.ended(slow.step, { failed: false, ms: 1_000 }).keep).toEqual([slow.chat, slow.step]);
    const other = tree();
    other.fragments.ended(other.chat, { failed: false, ms: 5_000 });
    expect(other.fragments.ended(other.step, { failed: false, ms: 999 })).toEqual(nothing);
  });

  it('that end after the first follow what was decided, but for one that failed itself', () => {
    const kept = tree();
    kept.fragments.ended(kept.step, failed);
    expect(kept.fragments.ended(kept.chat, quick).keep).toEqual([kept.chat]);
    const gone = tree();
    gone.fragments.ended(gone.step, quick);
    expect(gone.fragments.ended(gone.chat, quick)).toEqual(nothing);
    expect(gone.fragments.ended(gone.ask, failed).keep).toEqual([gone.ask]);
  });

  it('are apart by what led to them: two calls of one trace are two fragments', () => {
    const fragments = new Fragments<Played>({ mostHeld: 10, slowMs: 1_000 });
    const [one, other] = [span('execute_tool a'), span('execute_tool b')];
    fragments.begun(one, undefined);
    // A parent that this process knows nothing of.
    fragments.begun(other, span('elsewhere'));
    expect(fragments.ended(one, failed).keep).toEqual([one]);
    expect(fragments.ended(other, quick)).toEqual(nothing);
  });

  it('are lost, and counted, beyond the bound of all fragments together; the first of a fragment never waits', () => {
    const { fragments, step, chat, ask } = tree({ mostHeld: 1, slowMs: 1_000 });
    const another = span('step');
    fragments.begun(another, undefined);
    expect(fragments.ended(ask, quick)).toEqual(nothing);
    expect(fragments.ended(chat, quick)).toEqual({ keep: [], lost: 1 });
    expect(fragments.ended(another, failed).keep).toEqual([another]);
    expect(fragments.ended(step, failed).keep).toEqual([ask, step]);
    expect(fragments.held).toBe(0);
  });
});
