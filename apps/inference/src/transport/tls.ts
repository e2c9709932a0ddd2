import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';
import { InvalidInput, messageOf } from '#errors';

/** Files of an identity, PEM, and of the authority that the other side must be certified by. */
export interface TlsFiles {
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly ca: string | undefined;
}

/** What serves: plain text where no file is named. With `ca`, callers must show a certificate of it. @throws InvalidInput */
export async function serverCredentials(files: TlsFiles): Promise<ServerCredentials> {
  if (isPlain(files)) return ServerCredentials.createInsecure();
  const identity = await identityOf(files, 'ARGOSY_INFERENCE_TLS');
  if (identity === null) {
    throw fault('ARGOSY_INFERENCE_TLS_CERT_FILE', 'and ARGOSY_INFERENCE_TLS_KEY_FILE are needed, both, for TLS');
  }
  const root = await authorityOf(files, 'ARGOSY_INFERENCE_TLS');
  const pair = { cert_chain: identity.cert, private_key: identity.key };
  return ServerCredentials.createSsl(root, [pair], root !== null);
}

/** What asks shards: plain text where no file is named. Shards must show a certificate of `ca`. @throws InvalidInput */
export async function shardCredentials(files: TlsFiles): Promise<ChannelCredentials> {
  if (isPlain(files)) return ChannelCredentials.createInsecure();
  const root = await authorityOf(files, 'ARGOSY_INFERENCE_SHARD');
  if (root === null) throw fault('ARGOSY_INFERENCE_SHARD_CA_FILE', 'is needed, or no shard can prove who it is');
  const identity = await identityOf(files, 'ARGOSY_INFERENCE_SHARD');
  return ChannelCredentials.createSsl(root, identity?.key ?? null, identity?.cert ?? null);
}

function isPlain({ cert, key, ca }: TlsFiles): boolean {
  return cert === undefined && key === undefined && ca === undefined;
}

type Settings = 'ARGOSY_INFERENCE_TLS' | 'ARGOSY_INFERENCE_SHARD';

/** Null where neither half is named. */
async function identityOf(
  { cert, key }: TlsFiles,
  settings: Settings,
): Promise<{ readonly cert: Buffer; readonly key: Buffer } | null> {
  if (cert === undefined && key === undefined) return null;
  const [certSetting, keySetting] = [`${settings}_CERT_FILE`, `${settings}_KEY_FILE`];
  if (cert === undefined || key === undefined) throw fault(certSetting, `and ${keySetting} are needed, both, for TLS`);
  const chain = await pem(cert, certSetting, (bytes) => new X509Certificate(bytes));
  const own = await pem(key, keySetting, createPrivateKey);
  if (!chain.read.checkPrivateKey(own.read)) {
    throw fault(keySetting, `${key} is not the key of the certificate in ${cert}`);
  }
  return { cert: chain.bytes, key: own.bytes };
}

async function authorityOf({ ca }: TlsFiles, settings: Settings): Promise<Buffer | null> {
  if (ca === undefined) return null;
  return (await pem(ca, `${settings}_CA_FILE`, (bytes) => new X509Certificate(bytes))).bytes;
}

/** A file as it is, and what it holds. @throws InvalidInput naming the setting */
async function pem<T>(
  file: string,
  setting: string,
  read: (bytes: Buffer) => T,
): Promise<{ readonly bytes: Buffer; readonly read: T }> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw fault(setting, `cannot be read: ${messageOf(error)}`, error);
  });
  try {
    return { bytes, read: read(bytes) };
  } catch (error) {
    throw fault(setting, `${file} is not what it should be, PEM without a password: ${messageOf(error)}`, error);
  }
}

function fault(path: string, message: string, cause?: unknown): InvalidInput {
  return new InvalidInput([{ path, message }], { cause });
}
