/** X.509 certificates of an authority that lives as long as a test, made by hand: Node has no maker of them. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export interface Certified {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

/** An authority nobody knows yet. */
export interface Authority {
  /** PEM, for those who shall trust it. */
  readonly cert: string;
  /** A certificate for DNS names, valid for a day around now, or expired yesterday. */
  certify(names: readonly string[], options?: { expired?: boolean }): Certified;
}

const dayMs = 86_400_000;

/** DER (X.690): tag, length, contents. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const contents = Buffer.concat(parts);
  const { length } = contents;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), contents]);
}

const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'));

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(commonName)))));
}

function timeOf(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\D/g, '').slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}

interface Contents {
  readonly subject: string;
  readonly issuer: string;
  readonly key: KeyObject;
  readonly until: number;
  readonly extension: Buffer;
}

let serials = 0;

function certificate({ subject, issuer, key, until, extension }: Contents, signer: KeyObject): string {
  serials += 1;
  const tbs = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1, serials >> 8, serials & 0xff)),
    ecdsaWithSha256,
    nameOf(issuer),
    sequence(timeOf(until - 2 * dayMs), timeOf(until)),
    nameOf(subject),
    key.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extension)),
  );
  const signature = sign('sha256', tbs, signer);
  const whole = sequence(tbs, ecdsaWithSha256, der(0x03, Buffer.of(0), signature));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

export function newAuthority(name = 'Argosy test authority'): Authority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const mayCertify = sequence(
    oid('551d13'),
    der(0x01, Buffer.of(0xff)),
    der(0x04, sequence(der(0x01, Buffer.of(0xff)))),
  );
  const tomorrow = Date.now() + dayMs;
  const about = { subject: name, issuer: name, key: own.publicKey, until: tomorrow, extension: mayCertify };
  return {
    cert: certificate(about, own.privateKey),
    certify(names, { expired = false } = {}) {
      const { publicKey: key, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const dnsNames = sequence(...names.map((one) => der(0x82, Buffer.from(one))));
      const extension = sequence(oid('551d11'), der(0x04, dnsNames));
      const until = expired ? Date.now() - dayMs : tomorrow;
      const cert = certificate({ subject: names[0] ?? '', issuer: name, key, until, extension }, own.privateKey);
      return { cert, key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) };
    },
  };
}
