import type { Exchange } from '#egress';
import { counter, type Logger } from '#platform';

const outcomes: readonly Exchange['outcome'][] = [
  ...(['done', 'blocked', 'failed', 'left', 'stopped'] as const),
  ...(['idle', 'too long', 'too large', 'crowded'] as const),
];

const exchanges = counter(
  'argosy_egress_exchanges_total',
  'Requests and tunnels that are over, by form and outcome.',
  outcomes.map((outcome) => ({ outcome: labelOf(outcome) })),
);

const bytes = counter(
  'argosy_egress_bytes_total',
  'Body and tunnel bytes: sent to servers, received from them.',
  (['sent', 'received'] as const).map((direction) => ({ direction })),
);

function labelOf(outcome: Exchange['outcome']): string {
  return outcome.replace(' ', '_');
}

/**
 * Counts every exchange and writes down, for the audit, each that came to nothing. What was refused, and with which
 * addresses, is told here and nowhere else.
 */
export function recording(logger: Logger): (exchange: Exchange) => void {
  return ({ form, outcome, asked, detail, sentBytes, receivedBytes }) => {
    exchanges.add(1, { outcome: labelOf(outcome) });
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
