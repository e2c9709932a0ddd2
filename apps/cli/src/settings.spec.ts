import { describe, expect, it } from '@jest/globals';
import { readSettings } from './settings.ts';

describe('readSettings', () => {
  it('takes an empty environment, and one full of names that are not ours', () => {
    expect(readSettings({ PATH: '/bin', ARGOSY_URL: '' })).toMatchObject({
      config: { ARGOSY_PORT: 7420 },
      remote: null,
    });
  });

  it('takes the remote server with its key apart from the settings of a server here', () => {
    const { config, remote } = readSettings({ ARGOSY_URL: 'http://there:7420', ARGOSY_API_KEY: 'k', ARGOSY_PORT: '1' });
    expect(remote).toEqual({ url: 'http://there:7420', apiKey: 'k' });
    expect(config.ARGOSY_PORT).toBe(1);
    expect(config).not.toHaveProperty('ARGOSY_API_KEY');
  });

  it('lists every fault under the name of its setting, also of values whose form other libs know', () => {
    const bad = {
      ARGOSY_PORT: 'x',
      ARGOSY_MODEL: 'gpt',
      ARGOSY_EGRESS_ALLOW: 'a,b:1',
      ARGOSY_URL: 'there:1',
      ARGOSY_NONE: '1',
    };
    let problems: readonly { path: string }[] = [];
    try {
      readSettings(bad);
    } catch (error) {
      ({ problems } = error as { problems: readonly { path: string }[] });
    }
    expect(problems.map(({ path }) => path).sort()).toEqual(Object.keys(bad).sort());
  });
});
