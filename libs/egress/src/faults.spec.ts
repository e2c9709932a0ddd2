import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { EgressBlocked, EgressFault, faultOf } from './faults.ts';

describe('faultOf', () => {
  it.each([
    ['ECONNRESET', 'transient'],
    ['UND_ERR_SOCKET', 'transient'],
    ['UND_ERR_CONNECT_TIMEOUT', 'transient'],
    ['EHOSTUNREACH', 'transient'],
    ['UND_ERR_HEADERS_OVERFLOW', 'invalid'],
    ['HPE_INVALID_CONSTANT', 'invalid'],
    ['CERT_HAS_EXPIRED', 'invalid'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'invalid'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'invalid'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'invalid'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'invalid'],
    ['ERR__ERROR_FORMAT_PADDING_1', 'invalid'],
    ['ZSTD_error_prefix_unknown', 'invalid'],
    ['Z_DATA_ERROR', 'invalid'],
    ['ESOMETHINGNEW', 'transient'],
  ])('takes %s for %s and keeps the address out of the message', (code, kind) => {
    const cause = Object.assign(new Error('connect failed 10.1.2.3:80'), { code });
    const fault = faultOf(cause, 'a.example');
    expect(fault).toMatchObject({ name: 'EgressFault', kind, retryable: kind === 'transient', cause });
    expect(fault.message).toContain('a.example');
    expect(fault.message).toContain(code);
    expect(fault.message).not.toContain('10.1.2.3');
  });

  it('passes faults of ours unchanged', () => {
    const blocked = new EgressBlocked('no', '10.0.0.1');
    expect(faultOf(blocked, 'a.example')).toBe(blocked);
  });

  it('copes with things thrown that are no errors', () => {
    expect(faultOf('boom', 'a.example')).toBeInstanceOf(EgressFault);
  });
});

describe('EgressBlocked', () => {
  it('shows its detail only to those who ask for it', () => {
    const blocked = new EgressBlocked('no', 'resolved to 10.0.0.1');
    expect(blocked.detail).toBe('resolved to 10.0.0.1');
    expect(inspect(blocked) + JSON.stringify(blocked)).not.toContain('10.0.0.1');
  });
});
