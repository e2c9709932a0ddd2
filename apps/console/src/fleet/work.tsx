import type { FleetResource } from '../libs.ts';
import { count, lasting } from '../ui/format.ts';
import { Empty, Figures, Link } from '../ui/parts.tsx';

const kinds: Readonly<Record<string, string>> = { runs: 'Runs', indexing: 'Indexing of corpora' };

/** What waits and what is in work, by kind. */
export function Queues({ queues }: { queues: FleetResource['queues'] }) {
  return (
    <section>
      <h2>Queues</h2>
      <Figures columns={['Kind', 'Waiting', 'In work', 'Oldest wait']}>
        {queues.map(({ kind, waiting, active, oldest_seconds }) => (
          <tr key={kind}>
            <th scope="row">{kinds[kind] ?? kind}</th>
            <td>{count(waiting)}</td>
            <td>{count(active)}</td>
            <td>{waiting === 0 ? '–' : lasting(oldest_seconds * 1000)}</td>
          </tr>
        ))}
      </Figures>
    </section>
  );
}

/** What failed in tools, by class. */
export function Faults({ faults }: { faults: FleetResource['faults'] }) {
  const most = Math.max(1, ...faults.map((fault) => fault.count));
  return (
    <section>
      <h2>Tool faults, last hour</h2>
      {faults.length === 0 && <p class="quiet">None.</p>}
      <ul class="bars">
        {faults.map(({ tool, class: kind, count: n }) => (
          <li key={`${tool} ${kind}`}>
            <span class="name">
              {tool}: {kind === 'empty' ? 'found nothing' : kind}
            </span>
            <span class={kind === 'empty' ? 'bar mild' : 'bar'}>
              <span style={{ width: `${(100 * n) / most}%` }} />
            </span>
            <span class="n">{count(n)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Who is there, and for which runs each works. */
export function Workers({ workers }: { workers: FleetResource['workers'] }) {
  return (
    <section class="whole">
      <h2>Workers</h2>
      {workers.length === 0 && <Empty>No worker is there: runs wait until one comes.</Empty>}
      <ul class="workers">
        {workers.map((worker) => (
          <Worker key={worker.id} worker={worker} />
        ))}
      </ul>
    </section>
  );
}

function Worker({ worker: { id, role, slots, busy, draining, jobs } }: { worker: FleetResource['workers'][number] }) {
  const runs = [...new Map(jobs.map((job) => [job.run_id, job])).values()];
  return (
    <li>
      <p class="worker-head">
        <span class="name">{role.replace('-', ' ')}</span>
        <span class="quiet">
          {count(busy)} of {count(Math.max(slots, busy))} slots{draining && ', draining'}
        </span>
      </p>
      <p class="quiet id">{id}</p>
      <ul class="jobs">
        {runs.map(({ run_id, tenant_id }) => (
          <li key={run_id}>
            <Link to={`/runs/${run_id}`}>{run_id.slice(-8)}</Link> <span class="quiet">{tenant_id}</span>
          </li>
        ))}
      </ul>
    </li>
  );
}
