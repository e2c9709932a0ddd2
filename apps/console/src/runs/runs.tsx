import { useState } from 'preact/hooks';
import { ask, post } from '../api/client.ts';
import type { RunList, RunResource } from '../libs.ts';
import { useAsked, useEvery, wordsOf } from '../ui/asked.ts';
import { dayOf, lasting } from '../ui/format.ts';
import { At, Empty, Heading, Link, Loaded, Status, Trouble } from '../ui/parts.tsx';
import { type Filter, noFilter, queryOf } from './filter.ts';

/** Runs come, go on and end while somebody looks. */
const refreshMs = 5_000;

/** All runs, newest first. */
export function Runs() {
  const [filter, setFilter] = useState<Filter>(noFilter);
  const [before, setBefore] = useState<string | null>(null);
  const path = `/v1/research?${queryOf(filter, before)}`;
  const [list, again, refresh] = useAsked((signal) => ask<RunList>(path, { signal }), [path]);
  useEvery(refreshMs, refresh);
  const change = (part: Partial<Filter>): void => {
    setBefore(null);
    setFilter((was) => ({ ...was, ...part }));
  };
  return (
    <section>
      <Heading title="Runs">
        <Link to="/" class="button primary">
          New question
        </Link>
      </Heading>
      <Filters filter={filter} onChange={change} />
      <Loaded of={list}>
        {({ data, next }) => (
          <>
            <Table runs={data} onChanged={again} isFiltered={queryOf(filter, null) !== queryOf(noFilter, null)} />
            <nav class="pages" aria-label="Pages">
              {before !== null && (
                <button type="button" onClick={() => setBefore(null)}>
                  Newest
                </button>
              )}
              {next !== null && (
                <button type="button" onClick={() => setBefore(next)}>
                  Older
                </button>
              )}
            </nav>
          </>
        )}
      </Loaded>
    </section>
  );
}

const states = ['queued', 'running', 'waiting', 'completed', 'incomplete', 'failed', 'cancelled'] as const;

function Filters({ filter, onChange }: { filter: Filter; onChange: (part: Partial<Filter>) => void }) {
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label class="field">
        <span>Words of the question</span>
        <input
          type="search"
          value={filter.search}
          onInput={(event) => onChange({ search: event.currentTarget.value })}
        />
      </label>
      <label class="field">
        <span>State</span>
        <select value={filter.status} onChange={(event) => onChange({ status: event.currentTarget.value })}>
          <option value="">Any</option>
          {states.map((state) => (
            <option key={state} value={state}>
              {state}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        <span>From</span>
        <input type="date" value={filter.from} onChange={(event) => onChange({ from: event.currentTarget.value })} />
      </label>
      <label class="field">
        <span>To</span>
        <input type="date" value={filter.to} onChange={(event) => onChange({ to: event.currentTarget.value })} />
      </label>
    </form>
  );
}

interface TableProps {
  readonly runs: readonly RunResource[];
  readonly onChanged: () => void;
  readonly isFiltered: boolean;
}

function Table({ runs, onChanged, isFiltered }: TableProps) {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const open = runs.filter(({ ended_at }) => ended_at === null).map(({ id }) => id);
  const marked = open.filter((id) => chosen.has(id));
  const toggle = (id: string): void => setChosen((was) => toggled(was, id));
  if (runs.length === 0) {
    return <Empty>{isFiltered ? 'No run fits.' : 'No runs yet. The first question makes one.'}</Empty>;
  }
  return (
    <>
      {open.length > 0 && <BulkCancel {...{ marked, open, onChanged }} onAll={() => setChosen(new Set(open))} />}
      <ul class="runs">
        {runs.map((run) => (
          <li key={run.id}>
            {run.ended_at === null && (
              <input
                type="checkbox"
                aria-label={`Choose: ${run.question.slice(0, 80)}`}
                checked={chosen.has(run.id)}
                onChange={() => toggle(run.id)}
              />
            )}
            <Link to={`/runs/${run.id}`} class="run-link">
              {run.question}
            </Link>
            <Status status={run.status} />
            <span class="quiet">
              <At at={run.created_at} as={dayOf} />
              {run.ended_at !== null &&
                run.started_at !== null &&
                `, ${lasting(Date.parse(run.ended_at) - Date.parse(run.started_at))}`}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

function toggled(chosen: ReadonlySet<string>, id: string): ReadonlySet<string> {
  return new Set(chosen.has(id) ? [...chosen].filter((one) => one !== id) : [...chosen, id]);
}

interface BulkProps {
  readonly marked: readonly string[];
  readonly open: readonly string[];
  readonly onAll: () => void;
  readonly onChanged: () => void;
}

function BulkCancel({ marked, open, onAll, onChanged }: BulkProps) {
  const [fault, setFault] = useState<string | null>(null);
  const cancel = async (): Promise<void> => {
    const outcomes = await Promise.allSettled(marked.map((id) => post(`/v1/research/${id}/cancel`)));
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    setFault(refused.length === 0 ? null : `${refused.length} could not be cancelled: ${wordsOf(refused[0]?.reason)}`);
    onChanged();
  };
  return (
    <div class="bulk">
      <button type="button" class="plain" onClick={onAll}>
        Choose all {open.length} that work or wait
      </button>
      <button type="button" disabled={marked.length === 0} onClick={() => void cancel()}>
        Cancel {marked.length === 0 ? 'chosen' : marked.length}
      </button>
      {fault !== null && <Trouble message={fault} />}
    </div>
  );
}
