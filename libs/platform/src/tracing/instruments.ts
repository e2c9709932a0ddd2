import { Instruments } from '../instruments.ts';

const measured = new Instruments();

export const spans = measured.counter(
  'argosy_spans_total',
  'Spans by what became of them: sent, or lost because there was no room (full) or the OTLP receiver was away or refused.',
  { outcome: ['sent', 'full', 'unreachable', 'refused'] },
);

export const reports = measured.counter(
  'argosy_metric_reports_total',
  'Reports of all metrics to the OTLP receiver: sent, or lost because it was away or refused them.',
  { outcome: ['sent', 'unreachable', 'refused'] },
);
