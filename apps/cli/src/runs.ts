import { InvalidInput, Unavailable } from '#errors';
import type { Connection } from './connection.ts';
import { explained } from './explain.ts';
import { Contact, outlast } from './outage.ts';
import { type Progress, RunProgress } from './progress.ts';
import { exitCodes, silenceMs, type Terminal } from './research.ts';
import { parseFlags } from './research-options.ts';

const actions = ['show', 'watch', 'explain', 'cancel', 'delete'];

/** What may be done with the runs of the server at hand. @returns the exit code. @throws InvalidInput, Refused, Unavailable */
export async function runs(
  args: readonly string[],
  serverAtHand: () => Promise<Connection>,
  terminal: Terminal,
): Promise<number> {
  // `--quiet` is heeded by whoever shows progress.
  const { values, positionals } = parseFlags(args, { json: { type: 'boolean' }, quiet: { type: 'boolean' } });
  const [action = '', id, ...more] = positionals;
  const known = action === 'list' ? id === undefined : id !== undefined && actions.includes(action);
  if (!known || more.length > 0) {
    const message = 'say list, show ID, watch ID, explain ID, cancel ID or delete ID';
    throw new InvalidInput([{ path: 'runs', message }]);
  }
  if (values.json && action !== 'explain') {
    throw new InvalidInput([{ path: '--json', message: 'belongs to explain; show prints JSON always' }]);
  }
  const connection = await serverAtHand();
  try {
    if (action === 'explain') return await explainRun(id ?? '', connection, terminal, values.json === true);
    return await act(action, id ?? '', connection, terminal);
  } finally {
    await connection.close();
  }
}

async function act(
  action: string,
  id: string,
  connection: Connection,
  { print, progress, interrupted }: Terminal,
): Promise<number> {
  const { client } = connection;
  if (action === 'list') {
    for (const run of await client.list(100)) print(`${run.id}  ${run.status.padEnd(10)}  ${oneLine(run.question)}\n`);
    return exitCodes.ok;
  }
  if (action === 'delete') {
    await client.remove(id);
    progress.note(`run ${id} is gone`);
    return exitCodes.ok;
  }
  if (action === 'cancel') await client.cancel(id);
  if (action === 'watch') await watch(connection, id, progress, interrupted);
  if (interrupted.aborted) return exitCodes.interrupted;
  print(`${JSON.stringify(await client.get(id), null, 2)}\n`);
  return exitCodes.ok;
}

async function explainRun(id: string, { client }: Connection, { print }: Terminal, asJson: boolean): Promise<number> {
  const explanation = await client.explain(id);
  print(asJson ? `${JSON.stringify(explanation, null, 2)}\n` : explained(explanation));
  return exitCodes.ok;
}

/** Shows a run until it ends or we are interrupted. A remote server may go away for a while. */
async function watch(
  { client, kind }: Connection,
  id: string,
  progress: Progress,
  interrupted: AbortSignal,
): Promise<void> {
  const shown = new RunProgress(progress, null);
  const silence = kind === 'remote' ? { silenceMs } : {};
  let after = 0;
  const attempt = async (contact: Contact): Promise<void> => {
    await client.get(id);
    contact.made();
    for await (const event of client.events(id, after, { signal: interrupted, ...silence })) {
      after = event.id ?? after;
      shown.show(event);
    }
    if ((await client.get(id)).ended_at === null) throw new Unavailable(`The event stream of run ${id} ended early.`);
  };
  try {
    await (kind === 'remote' ? outlast(attempt, { progress, interrupted }) : attempt(new Contact()));
  } catch (error) {
    if (!interrupted.aborted) throw error;
  } finally {
    progress.end();
  }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 100);
}
