import { afterEach, describe, expect, it } from '@jest/globals';
import { HealthServer, type Readiness } from './health.ts';

const servers: HealthServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function get(readiness: Readiness, path: string): Promise<Response> {
  const server = new HealthServer(
    { readiness: () => readiness },
    { host: '127.0.0.1', port: 0, setting: 'ARGOSY_PORT' },
  );
  await server.open();
  servers.push(server);
  return await fetch(`http://127.0.0.1:${server.port}${path}`);
}

describe('the health server', () => {
  it('tells clients of an API that is not there yet to come again', async () => {
    const response = await get({ ready: false, reason: 'no database' }, '/v1/research');
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({
      error: { code: 'unavailable', message: 'This process is not ready: no database' },
    });
  });

  it('has nothing but health to tell when the process is ready', async () => {
    expect((await get({ ready: true }, '/v1/research')).status).toBe(404);
    expect((await get({ ready: true }, '/readyz')).status).toBe(200);
  });
});
