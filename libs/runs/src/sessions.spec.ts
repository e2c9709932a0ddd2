import { describe, expect, it } from '@jest/globals';
import { LocalSessions, sessionLifeMs } from './sessions.ts';

describe('the sessions of one process', () => {
  it('move for whoever knows where they are, and tell others who was faster', async () => {
    let now = 0;
    const sessions = new LocalSessions(() => now);
    expect(await sessions.find('s')).toBeNull();
    expect(await sessions.move('s', 'a', 0)).toEqual({ group: 'a', epoch: 1, ageMs: 0 });
    now = 500;
    expect(await sessions.move('s', 'b', 0)).toEqual({ group: 'a', epoch: 1, ageMs: 500 });
    expect(await sessions.move('s', 'b', 1)).toEqual({ group: 'b', epoch: 2, ageMs: 0 });
    await sessions.forget('s');
    // Its entry was lost: whoever remembers its epoch goes on counting.
    expect(await sessions.move('s', 'c', 2)).toEqual({ group: 'c', epoch: 3, ageMs: 0 });
  });

  it('are forgotten when nobody asked for them for long', async () => {
    let now = 0;
    const sessions = new LocalSessions(() => now);
    await sessions.move('s', 'a', 0);
    now = sessionLifeMs - 1;
    expect(await sessions.find('s')).not.toBeNull();
    now = 2 * sessionLifeMs - 1;
    expect(await sessions.find('s')).toBeNull();
  });
});
