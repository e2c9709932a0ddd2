import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { InvalidInput, messageOf, type Problem } from '#errors';
import type { Config } from '#platform';
import type { S3Settings } from './s3.ts';

/** As the environment has them: the file of authorities is still to be read. */
export interface ObjectSettings extends Omit<S3Settings, 'ca'> {
  readonly caFile: string | null;
}

type S3Name =
  | 'ENDPOINT'
  | 'REGION'
  | 'BUCKET'
  | 'PREFIX'
  | 'ADDRESSING'
  | 'ACCESS_KEY_ID'
  | 'SECRET_ACCESS_KEY'
  | 'CA_FILE';

/** What says where objects lie. */
export type ObjectConfig = Pick<Config, `ARGOSY_S3_${S3Name}`>;

/** @returns null where nothing is named, and the database keeps all bytes. @throws InvalidInput where a part is missing */
export function objectSettingsOf(config: ObjectConfig): ObjectSettings | null {
  const endpoint = config.ARGOSY_S3_ENDPOINT;
  const bucket = config.ARGOSY_S3_BUCKET;
  const accessKeyId = config.ARGOSY_S3_ACCESS_KEY_ID;
  const secretAccessKey = config.ARGOSY_S3_SECRET_ACCESS_KEY;
  const parts = { ENDPOINT: endpoint, BUCKET: bucket, ACCESS_KEY_ID: accessKeyId, SECRET_ACCESS_KEY: secretAccessKey };
  const absent = Object.entries(parts).flatMap(([name, value]) => (value === undefined ? [`ARGOSY_S3_${name}`] : []));
  if (absent.length === Object.keys(parts).length) return null;
  if (!endpoint || !bucket || !accessKeyId || !secretAccessKey) {
    throw new InvalidInput(
      absent.map((path) => ({ path, message: 'is required where other ARGOSY_S3_ settings are set' })),
    );
  }
  const { ARGOSY_S3_REGION: region, ARGOSY_S3_PREFIX: prefix, ARGOSY_S3_ADDRESSING: addressing } = config;
  const problems = addressing === 'host' ? hostProblems(endpoint) : [];
  if (problems.length > 0) throw new InvalidInput(problems);
  const caFile = config.ARGOSY_S3_CA_FILE ?? null;
  return { endpoint, region, bucket, prefix, addressing, accessKeyId, secretAccessKey, caFile };
}

/** @throws InvalidInput when the authorities cannot be read */
export async function withAuthorities({ caFile, ...settings }: ObjectSettings): Promise<S3Settings> {
  if (caFile === null) return settings;
  try {
    return { ...settings, ca: await readFile(caFile, 'utf8') };
  } catch (error) {
    throw new InvalidInput([{ path: 'ARGOSY_S3_CA_FILE', message: messageOf(error) }], { cause: error });
  }
}

function hostProblems(endpoint: string): Problem[] {
  const host = new URL(endpoint).hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) === 0) return [];
  return [
    {
      path: 'ARGOSY_S3_ADDRESSING',
      message: `needs a name and not the address ${host}: the bucket goes in front of it`,
    },
  ];
}
