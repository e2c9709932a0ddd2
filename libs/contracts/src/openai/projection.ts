import type { Report } from '#domain';
import { answerText } from './answer-text.ts';
import type { OutputItem, OutputMessage, ResponseResource, SearchCall } from './response.ts';
import { endOf, messageEvents, seconds } from './response-end.ts';
import { callItems, endedItem } from './search-calls.ts';
import type { LoggedEvent, ShownRun } from './shown.ts';

/** An event of a response's stream. */
export interface ResponseEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly [field: string]: unknown;
}

/** A response as far as the log of its run was told. */
export interface ResponseState {
  readonly run: ShownRun;
  readonly response: ResponseResource;
  /** Places in the output of calls that have not ended, by step and index. */
  readonly open: ReadonlyMap<string, readonly number[]>;
  /** Events told so far, which number the next one. */
  readonly told: number;
}

/** The id of a run's response. */
export function responseIdOf(runId: string): string {
  return runId.replace(/^run_/, 'resp_');
}

/** The run of a response; null for what is no id of one. */
export function runIdOf(responseId: string): string | null {
  return /^resp_[0-9a-f]{1,64}$/.test(responseId) ? responseId.replace(/^resp_/, 'run_') : null;
}

/** A response of which nothing was told yet. */
export function unopened(run: ShownRun): ResponseState {
  return { run, response: opened(run), open: new Map(), told: 0 };
}

function opened({ runId, acceptedAt, model, metadata, degraded, echo }: ShownRun): ResponseResource {
  return {
    id: responseIdOf(runId),
    object: 'response',
    created_at: seconds(acceptedAt),
    completed_at: null,
    status: 'queued',
    background: echo.background,
    error: null,
    incomplete_details: null,
    instructions: echo.instructions,
    max_output_tokens: echo.max_output_tokens,
    max_tool_calls: echo.max_tool_calls,
    metadata: { ...metadata },
    model,
    output: [],
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: null,
    store: true,
    temperature: null,
    text: { format: echo.format },
    tool_choice: 'auto',
    tools: echo.tools,
    top_p: null,
    truncation: 'auto',
    usage: null,
    argosy: { run_id: runId, degraded: [...degraded] },
  };
}

/** An event before it has a number. */
type Draft = Omit<ResponseEvent, 'sequence_number'> & { readonly type: string };

type Step = readonly [Omit<ResponseState, 'told'>, readonly Draft[]];

/**
 * Tells one more durable event of a run as events of its response. Pure, and each event is told by what stands before it
 * alone: the events of a log's beginning are the beginning of the events of the log, with the same numbers, so that a
 * stream can be taken up behind any of them.
 * @param report that of the run; null while it has none
 */
export function tell(
  state: ResponseState,
  event: LoggedEvent,
  report: Report | null,
): [ResponseState, ResponseEvent[]] {
  const [after, drafts] = step(state, event, report);
  const numbered = drafts.map((draft, index) => ({ ...draft, sequence_number: state.told + index }));
  return [{ ...after, told: state.told + drafts.length }, numbered];
}

function step(state: ResponseState, event: LoggedEvent, report: Report | null): Step {
  const { response } = state;
  switch (event.type) {
    case 'run.accepted':
      return [state, ['response.created', 'response.queued'].map((type) => ({ type, response }))];
    case 'run.started': {
      const started: ResponseResource = { ...response, status: 'in_progress' };
      return [{ ...state, response: started }, [{ type: 'response.in_progress', response: started }]];
    }
    case 'tool.started':
      return callStarted(state, event.data);
    case 'tool.completed':
      return callEnded(state, placeOf(event.data), (item) => endedItem(item, event.data));
    case 'run.completed':
    case 'run.incomplete':
    case 'run.failed':
    case 'run.cancelled':
      return ended(state, event, report);
    case 'run.waiting':
    case 'step.started':
    case 'model.completed':
    case 'context.compacted':
    case 'budget.warning':
    case 'loop.detected':
    case 'answer.checked':
    case 'output.checked':
    case 'report.completed':
      return [state, []];
  }
}

function placeOf({ step, index }: LoggedEvent['data']): string {
  return `${step}_${index}`;
}

function callStarted(state: ResponseState, data: LoggedEvent['data']): Step {
  const { response, run } = state;
  const place = placeOf(data);
  const items = callItems({
    tool: String(data['tool']),
    args: (data['args'] ?? {}) as Record<string, unknown>, // an object in every event of this type
    place: `${run.runId.replace(/^run_/, '')}_${place}`,
    web: run.web,
  });
  const first = response.output.length;
  const drafts = items.flatMap((item, index): Draft[] => {
    const at = { output_index: first + index, item_id: item.id };
    return [
      { type: 'response.output_item.added', output_index: first + index, item },
      { type: `response.${item.type}.in_progress`, ...at },
      { type: `response.${item.type}.searching`, ...at },
    ];
  });
  const open = new Map(state.open).set(
    place,
    items.map((_, index) => first + index),
  );
  return [{ ...state, open, response: { ...response, output: [...response.output, ...items] } }, drafts];
}

/** Ends the items of a call. One that never began is told of nowhere. */
function callEnded(state: Omit<ResponseState, 'told'>, place: string, end: (item: SearchCall) => SearchCall): Step {
  const output: OutputItem[] = [...state.response.output];
  const drafts = (state.open.get(place) ?? []).flatMap((output_index): Draft[] => {
    const begun = output[output_index];
    if (begun === undefined || begun.type === 'message') return [];
    const item = end(begun);
    output[output_index] = item;
    const done: Draft = { type: 'response.output_item.done', output_index, item };
    const completed: Draft = { type: `response.${item.type}.completed`, output_index, item_id: item.id };
    return item.status === 'completed' ? [completed, done] : [done];
  });
  const open = new Map([...state.open].filter(([other]) => other !== place));
  return [{ ...state, open, response: { ...state.response, output } }, drafts];
}

function ended(state: ResponseState, event: LoggedEvent, report: Report | null): Step {
  let after: Omit<ResponseState, 'told'> = state;
  const drafts: Draft[] = [];
  for (const place of state.open.keys()) {
    const [closed, told] = callEnded(after, place, (item) => ({ ...item, status: 'incomplete' }));
    after = closed;
    drafts.push(...told);
  }
  const end = endOf(state.run, event, report);
  const said = report === null ? null : answerText(report);
  let { output } = after.response;
  if (said !== null && said.text.trim() !== '') {
    const message: OutputMessage = {
      type: 'message',
      id: state.run.runId.replace(/^run_/, 'msg_'),
      role: 'assistant',
      status: end.status === 'completed' ? 'completed' : 'incomplete',
      content: [said],
    };
    drafts.push(...messageEvents(message, output.length));
    output = [...output, message];
  }
  const response = { ...after.response, ...end, output };
  const type = response.status === 'cancelled' ? 'incomplete' : response.status;
  return [{ ...after, response }, [...drafts, { type: `response.${type}`, response }]];
}
