/** Pretends to be a process of the fleet. Arguments: its name, what it does. Serves /readyz on STAND_IN_PORT. */
import { createServer } from 'node:http';

const [, , name, does] = process.argv;
const log = (event, fields = {}) => {
  process.stderr.write(
    `${JSON.stringify({ at: new Date().toISOString(), level: 'info', role: name, event, ...fields })}\n`,
  );
};

if (does === 'crashes') process.exit(7);
if (does === 'refuses') {
  process.stderr.write('ARGOSY_X: no such setting\n');
  process.exit(2);
}

process.on('SIGINT', () => log('heard Ctrl-C'));
process.on('SIGTERM', () => {
  log('draining');
  // What never drains must be killed.
  if (does === 'hangs') return;
  setTimeout(() => {
    log('stopped');
    process.exit(0);
  }, 100);
});

const server = createServer((_, response) => {
  const ready = does !== 'is never ready';
  response.writeHead(ready ? 200 : 503).end(ready ? 'ok' : 'no database');
});
server.listen(Number(process.env.STAND_IN_PORT), '127.0.0.1', () =>
  log('ready', { pid: process.pid, words: 'two words' }),
);
