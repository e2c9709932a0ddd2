import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

/** A span as it arrived. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the root of a trace. */
  readonly parentId: string;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly failed: boolean;
  /** Attributes of the process that it came from. */
  readonly resource: Readonly<Record<string, unknown>>;
}

/** What a receiver does with a report. */
export type Manner = 'take' | 'refuse' | 'say nothing' | 'dribble';

/** A receiver of OTLP over HTTP, which decodes what it is sent, without any library of OpenTelemetry's. */
export interface OtlpReceiver {
  readonly url: string;
  /** In the order in which they arrived. */
  readonly spans: readonly ReceivedSpan[];
  /** Names of the metrics that were ever reported. */
  readonly metrics: ReadonlySet<string>;
  /** Of reports, whatever became of them. */
  readonly requests: readonly { readonly path: string; readonly headers: IncomingMessage['headers'] }[];
  /** All that was sent here, inflated. */
  readonly bytes: readonly Buffer[];
  manner: Manner;
  /** @returns the port that it leaves */
  close(): Promise<number>;
}

/** @param port 0 for a free one */
export async function startOtlpReceiver(port = 0): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const metrics = new Set<string>();
  const requests: OtlpReceiver['requests'][number][] = [];
  const bytes: Buffer[] = [];
  const dribbles = new Set<NodeJS.Timeout>();
  const receiver = { manner: 'take' as Manner };
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await inflated(request);
    requests.push({ path: request.url ?? '', headers: request.headers });
    bytes.push(body);
    if (receiver.manner === 'say nothing') return;
    if (receiver.manner === 'refuse') return void response.writeHead(401).end('secret of the receiver');
    if (request.url === '/v1/traces') spans.push(...spansIn(body));
    else for (const name of metricsIn(body)) metrics.add(name);
    response.writeHead(200, { 'content-type': 'application/x-protobuf' });
    if (receiver.manner === 'take') response.end();
    else dribbles.add(setInterval(() => response.write('\0'), 20).unref());
  };
  const server = createServer((request, response) => void take(request, response));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const at = (server.address() as AddressInfo).port; // it listens on a port
  return Object.assign(receiver, {
    ...{ url: `http://127.0.0.1:${at}`, spans, metrics, requests, bytes },
    async close() {
      for (const timer of dribbles) clearInterval(timer);
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
      return at;
    },
  });
}

async function inflated(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces);
  return request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
}

/** The fields of one protobuf message by their numbers, each as often as it is there. */
type Fields = ReadonlyMap<number, readonly (bigint | Buffer)[]>;

function fieldsOf(bytes: Buffer): Fields {
  const fields = new Map<number, (bigint | Buffer)[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const read = (wire: number): bigint | Buffer => {
    if (wire === 0) return varint();
    const length = wire === 1 ? 8 : wire === 5 ? 4 : Number(varint());
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = Number(varint());
    fields.set(key >> 3, [...(fields.get(key >> 3) ?? []), read(key & 7)]);
  }
  return fields;
}

const messages = (fields: Fields, number: number): Fields[] =>
  (fields.get(number) ?? []).map((value) => fieldsOf(value as Buffer)); // messages have a length
const bytesAt = (fields: Fields, number: number): Buffer => (fields.get(number)?.[0] as Buffer) ?? Buffer.alloc(0);
const text = (fields: Fields, number: number): string => bytesAt(fields, number).toString();
const hex = (fields: Fields, number: number): string => bytesAt(fields, number).toString('hex');
const milliseconds = (fields: Fields, number: number): number =>
  Number(bytesAt(fields, number).readBigUInt64LE()) / 1e6;

function spansIn(body: Buffer): ReceivedSpan[] {
  return messages(fieldsOf(body), 1).flatMap((process) => {
    const resource = attributesOf(messages(process, 1)[0] ?? new Map(), 1);
    return messages(process, 2).flatMap((scope) => messages(scope, 2).map((span) => spanOf(span, resource)));
  });
}

function spanOf(span: Fields, resource: ReceivedSpan['resource']): ReceivedSpan {
  return {
    traceId: hex(span, 1),
    spanId: hex(span, 2),
    parentId: hex(span, 4),
    name: text(span, 5),
    startMs: milliseconds(span, 7),
    endMs: milliseconds(span, 8),
    attributes: attributesOf(span, 9),
    links: messages(span, 13).map((link) => ({ traceId: hex(link, 1), spanId: hex(link, 2) })),
    failed: messages(span, 15).some((status) => status.get(3)?.[0] === 2n),
    resource,
  };
}

function attributesOf(fields: Fields, number: number): Record<string, unknown> {
  const pairs = messages(fields, number).map((pair) => [text(pair, 1), plainValue(messages(pair, 2)[0] ?? new Map())]);
  return Object.fromEntries(pairs);
}

function plainValue(value: Fields): unknown {
  if (value.has(1)) return text(value, 1);
  if (value.has(2)) return value.get(2)?.[0] === 1n;
  if (value.has(3)) return Number(value.get(3)?.[0]);
  return value.has(4) ? bytesAt(value, 4).readDoubleLE() : null;
}

function metricsIn(body: Buffer): string[] {
  const scopes = messages(fieldsOf(body), 1).flatMap((process) => messages(process, 2));
  return scopes.flatMap((scope) => messages(scope, 2).map((metric) => text(metric, 1)));
}
