import { useCallback, useState } from 'preact/hooks';
import { ask } from '../api/client.ts';
import type { InferenceResource } from '../libs.ts';
import { useAsked, useEvery } from '../ui/asked.ts';
import { compact, count } from '../ui/format.ts';
import { Figures, Loaded } from '../ui/parts.tsx';
import { Experts } from './experts.tsx';

type Group = InferenceResource['groups'][number];
type Load = NonNullable<Group['load']>;

const refreshMs = 3_000;

/** How the inference groups stand, and of one of them where its experts are. */
export function Groups() {
  const [inference, , refresh] = useAsked((signal) => ask<InferenceResource>('/v1/admin/inference', { signal }), []);
  useEvery(refreshMs, refresh);
  return (
    <section class="whole groups">
      <h2>Inference groups</h2>
      <Loaded of={inference}>{({ groups }) => <Whole groups={groups} />}</Loaded>
    </section>
  );
}

function Whole({ groups }: { groups: readonly Group[] }) {
  const [chosen, setChosen] = useState<string | null>(null);
  const choose = useCallback((address: string) => setChosen(address), []);
  if (groups.length === 0) {
    return <p class="quiet">None: the model here is not served by inference groups, so their load is not known.</p>;
  }
  const sharing = groups.filter(({ serves }) => serves !== null && serves.shards > 1);
  const shown = sharing.find(({ address }) => address === chosen) ?? sharing[0];
  return (
    <>
      <Table groups={groups} />
      {sharing.length > 1 && (
        <label class="chooser">
          Experts of
          <select value={shown?.address} onChange={({ currentTarget }) => choose(currentTarget.value)}>
            {sharing.map(({ address }) => (
              <option key={address}>{address}</option>
            ))}
          </select>
        </label>
      )}
      {shown !== undefined && <Experts key={shown.address} group={shown.address} />}
    </>
  );
}

const columns = ['Group', 'Running', 'Waiting', 'KV used', 'Sessions', 'From cache', 'Evenness'];

function Table({ groups }: { groups: readonly Group[] }) {
  return (
    <Figures columns={columns}>
      {groups.map((group) => (
        <Row key={group.address} group={group} />
      ))}
    </Figures>
  );
}

function Row({ group: { address, fault, serves, load } }: { group: Group }) {
  if (serves === null || load === null) {
    return (
      <tr>
        <th scope="row">{address}</th>
        <td colSpan={6} class="fault">
          {fault}
        </td>
      </tr>
    );
  }
  return (
    <tr>
      <th scope="row">
        {address}
        <span class="of-group quiet">{wordsOf(serves, load)}</span>
      </th>
      <td>{known(load.running, count)}</td>
      <td>{known(load.waiting, count)}</td>
      <td>
        <Share part={load.kv_used_tokens} whole={load.kv_total_tokens} label={`KV used of ${address}`} />
      </td>
      <td>{known(load.resident_sessions, count)}</td>
      <td>
        <Share part={load.cached_tokens} whole={load.prompt_tokens} label={`From cache of ${address}`} />
      </td>
      <td>{known(load.balancedness, (share) => `${Math.round(100 * share)} %`)}</td>
    </tr>
  );
}

function wordsOf({ model, engine, shards }: NonNullable<Group['serves']>, { draining }: Load): string {
  const parts = [model, engine, ...(shards > 1 ? [`${count(shards)} shards`] : []), ...(draining ? ['draining'] : [])];
  return parts.join(', ');
}

function known(value: number | null, told: (n: number) => string): string {
  return value === null ? '–' : told(value);
}

/** A part of a whole, as a share with the figure; a dash where one is not known or there is nothing yet. */
function Share({ part, whole, label }: { part: number | null; whole: number | null; label: string }) {
  if (part === null || whole === null || whole === 0) return <>–</>;
  return (
    <span class="share" title={`${count(part)} of ${count(whole)} tokens`}>
      <meter class="meter" min={0} max={1} value={part / whole} aria-label={label} />
      {Math.round((100 * part) / whole)} % <span class="quiet">of {compact(whole)}</span>
    </span>
  );
}
