import { Client, credentials, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';

const path = '/bench.Echo/Echo';
const asItIs = (bytes: Buffer): Buffer => bytes;

/** A gRPC server that sends back what it gets: the least that a shard could do. @returns its port, 0 for a socket */
export async function serveEcho(listen: string): Promise<number> {
  const server = new Server();
  const echo = {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  } as const;
  server.addService(
    { echo },
    { echo: (call: ServerDuplexStream<Buffer, Buffer>) => call.on('data', (bytes) => call.write(bytes)) },
  );
  return await new Promise((resolve, reject) => {
    server.bindAsync(listen, ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    );
  });
}

/** Sends the same bytes on an open stream to each address and waits until all are back. @returns milliseconds, each round */
export async function echoTimes(addresses: readonly string[], bytes: number, rounds: number): Promise<number[]> {
  const message = Buffer.alloc(bytes, 1);
  let open = 0;
  let back: () => void = () => undefined;
  const clients = addresses.map((address) => new Client(address, credentials.createInsecure()));
  const streams = clients.map((client) => client.makeBidiStreamRequest(path, asItIs, asItIs));
  for (const stream of streams) {
    stream.on('data', () => {
      open -= 1;
      if (open === 0) back();
    });
    stream.on('error', () => undefined);
  }
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now();
    open = streams.length;
    const all = new Promise<void>((resolve) => {
      back = resolve;
    });
    for (const stream of streams) stream.write(message);
    await all;
    times.push(performance.now() - startedAt);
  }
  for (const stream of streams) stream.cancel();
  for (const client of clients) client.close();
  return times;
}
