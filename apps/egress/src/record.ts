import type { Exchange } from '#egress';
import { Instruments, type Logger } from '#platform';

const egress = new Instruments('egress');

const outcomes = {
  done: 'done',
  blocked: 'blocked',
  failed: 'failed',
  left: 'left',
  stopped: 'stopped',
  idle: 'idle',
  'too long': 'too_long',
  'too large': 'too_large',
  crowded: 'crowded',
} as const satisfies Readonly<Record<Exchange['outcome'], string>>;

const exchanges = egress.counter(
  'argosy_egress_exchanges_total',
  'Requests and tunnels that are over: `blocked` by the rules, `failed` at the server or on the way, `left` by the client, `stopped` with the proxy, or at a bound.',
  { outcome: Object.values(outcomes) },
);

const bytes = egress.counter(
  'argosy_egress_bytes_total',
  'Body and tunnel bytes: sent to servers, received from them.',
  { direction: ['sent', 'received'] },
);

/**
 * Counts every exchange and writes down, for the audit, each that came to nothing. What was refused, and with which
 * addresses, is told here and nowhere else.
 */
export function recording(logger: Logger): (exchange: Exchange) => void {
  return ({ form, outcome, asked, detail, sentBytes, receivedBytes }) => {
    exchanges.add(1, { outcome: outcomes[outcome] });
    bytes.add(sentBytes, { direction: 'sent' });
    bytes.add(receivedBytes, { direction: 'received' });
    const level = outcome === 'done' || outcome === 'left' || outcome === 'stopped' ? 'debug' : 'info';
    logger.log(level, 'exchange', { form, outcome, asked: originOf(asked), detail, sentBytes, receivedBytes });
  };
}

/** Without path and query, which may hold what a user asked for. */
function originOf(asked: string): string {
  return /^https?:/i.test(asked) ? (URL.parse(asked)?.origin ?? '') : asked;
}
