import type { RunEventType } from '#domain';

/** What each durable event says. */
export const eventMeanings: Readonly<Record<RunEventType, string>> = {
  'run.accepted': 'The run is written down.',
  'run.started': 'A worker has begun.',
  'run.waiting':
    'It waits for the model, which has no place for it: for `seconds`, then it is asked again. No step was charged.',
  'step.started': 'The model is asked.',
  'model.completed': 'The model has replied: how many calls it asks for, and what the reply used.',
  'tool.started': 'A call has begun.',
  'tool.completed': 'A call has brought something, or a fault.',
  'context.compacted': 'The context was full: `folded_turns` turns made room for a digest of them.',
  'budget.warning': 'A limit asked for the answer.',
  'loop.detected': 'The run went in circles: `sign` says how, `action` what was done about it.',
  'answer.checked': 'The quotations of an answer were looked up.',
  'output.checked': 'An output was held against its schema.',
  'report.completed': 'The report is there.',
  'run.completed': 'The end.',
  'run.incomplete': 'The end: a limit was reached, and the report is the best that could be had.',
  'run.failed': 'The end: the run could not go on.',
  'run.cancelled': 'The end: somebody asked for it.',
};
