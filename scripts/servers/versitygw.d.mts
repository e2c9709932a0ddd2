import type { PrivateServer } from './servers.d.mts';

export function hasVersitygw(): boolean;
export function startVersitygw(keys: {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  readonly bucket: string;
}): Promise<PrivateServer>;
