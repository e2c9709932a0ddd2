import { randomUUID } from 'node:crypto';
import type { ResearchBody, RunResource } from '#contracts';
import type { OutputSchema } from '#domain';
import { Aborted, InvalidInput, Unavailable } from '#errors';
import { nameOf } from '#model';
import { Client, type ClientEvent } from './client.ts';
import { type Connection, connect, type RemoteServer } from './connection.ts';
import { indexCorpora } from './corpora.ts';
import { uploadCorpora } from './corpus-upload.ts';
import type { EmbeddedOptions } from './embedded.ts';
import { Contact, isOutage, outlast } from './outage.ts';
import { type Progress, RunProgress } from './progress.ts';
import { ownProviders } from './providers.ts';
import { prepareFolder, writeReport } from './report-files.ts';
import type { ResearchCommand } from './research-options.ts';
import { readSchema } from './schema-file.ts';
import { cutOff, isCutOff, webNote } from './web.ts';

/** What a command needs of the process around it. */
export interface Terminal {
  readonly progress: Progress;
  readonly print: (text: string) => void;
  /** Fires at the first Ctrl-C. */
  readonly interrupted: AbortSignal;
}

export const exitCodes = {
  ok: 0,
  usage: 2,
  incomplete: 3,
  failed: 4,
  unreachable: 5,
  interrupted: 130,
} as const;

/** A remote event stream that is silent for so long, heartbeats included, has broken without telling us. */
export const silenceMs = 60_000;

/** How long a cancelled run may take to report what it has. */
const cancelLimitMs = 10_000;

/** `argosy research`: one question from start to report. @returns the exit code */
export async function research(
  command: ResearchCommand,
  remote: RemoteServer | null,
  options: EmbeddedOptions,
  terminal: Terminal,
): Promise<number> {
  checkModel(command, remote);
  const schema = command.schemaFile === null ? null : await readSchema(command.schemaFile);
  await prepareFolder(command.outDir);
  const { progress, interrupted } = terminal;
  const corpora =
    remote === null
      ? await indexCorpora(options.config.ARGOSY_DATA_DIR, command.corpora, progress, interrupted)
      : await uploadCorpora(new Client(remote.url, remote.apiKey), command.corpora, terminal);
  const inquiry = new Inquiry(command, bodyOf(command, corpora, schema), terminal);
  const code = await pursueAnywhere(inquiry, { command, remote, options }, progress);
  if (code === exitCodes.unreachable) throw new Unavailable(cutOff);
  return code;
}

interface Errand {
  readonly command: ResearchCommand;
  readonly remote: RemoteServer | null;
  readonly options: EmbeddedOptions;
}

async function pursueAnywhere(
  inquiry: Inquiry,
  { command, remote, options }: Errand,
  progress: Progress,
): Promise<number> {
  for (;;) {
    progress.status('starting');
    const connection = await connect(remote, options);
    try {
      const note = webNote(command, connection, ownProviders(options.config));
      if (note !== null) progress.note(note);
      return await inquiry.pursue(connection);
    } catch (error) {
      // The process whose server we had joined has ended: the run is in the data directory, so we serve it ourselves.
      if (!(error instanceof Unavailable) || connection.kind !== 'joined') throw error;
      progress.note('the server that was joined has ended; going on here');
    } finally {
      await connection.close();
    }
  }
}

/** A command that no server could fulfil is refused before anything is started. */
function checkModel({ model }: ResearchCommand, remote: RemoteServer | null): void {
  if (remote !== null && model !== null && model.kind !== 'extractive') {
    const message = 'a remote server chooses among its own models; set ARGOSY_MODEL there';
    throw new InvalidInput([{ path: '--model', message }]);
  }
}

function bodyOf(
  { body, model }: ResearchCommand,
  corpora: readonly string[],
  schema: OutputSchema | null,
): ResearchBody {
  return {
    ...body,
    sources: { ...body.sources, corpora: [...corpora] },
    ...(model === null ? {} : { model: nameOf(model) }),
    ...(schema === null ? {} : { output_schema: schema }),
  };
}

/** One run from its request to its delivered report, over one server or several, one after the other. */
export class Inquiry {
  readonly #command: ResearchCommand;
  readonly #body: ResearchBody;
  readonly #terminal: Terminal;
  readonly #shown: RunProgress;
  /** Asking again under the same key is asking for the same run. */
  readonly #key = randomUUID();
  /** Number of the last durable event that was shown. */
  #after = 0;
  #runId: string | null = null;

  constructor(command: ResearchCommand, body: ResearchBody, terminal: Terminal) {
    this.#command = command;
    this.#body = body;
    this.#terminal = terminal;
    this.#shown = new RunProgress(terminal.progress, body.budget?.steps ?? null);
  }

  /**
   * A remote server may go away for a while; this waits for it.
   * @returns the exit code
   * @throws Unavailable when the server goes away; then pursue it with another one. Aborted when interrupted while a
   * remote server goes on with the run
   */
  async pursue(connection: Connection): Promise<number> {
    const { model } = this.#command;
    const { progress, interrupted } = this.#terminal;
    const { client, kind, patience } = connection;
    if (kind === 'joined' && model?.kind === 'openai') {
      const name = nameOf(model);
      progress.note(`joined a running server: ${name} is whatever that server was started with`);
    }
    if (kind !== 'remote') return await this.#attempt(connection, new Contact());
    const limits = { progress, interrupted, ...(patience && { patience }) };
    try {
      return await outlast(async (contact) => await this.#attempt(connection, contact), limits);
    } catch (error) {
      if (interrupted.aborted) throw new Aborted(`Interrupted. ${this.#whereabouts(client)}`, { cause: error });
      if (!isOutage(error) || this.#runId === null) throw error;
      throw new Unavailable(`${error.message}\n${this.#whereabouts(client)}`, { cause: error });
    }
  }

  /** Safe to repeat, also after it failed in its middle: the same run is asked for, its events go on where they ended. */
  async #attempt({ client, kind }: Connection, contact: Contact): Promise<number> {
    const { id } = await client.create(this.#body, this.#key);
    this.#runId = id;
    contact.made();
    const run = kind === 'remote' ? await this.#watch(client, id) : await this.#steer(client, id);
    return await deliver(run, this.#command, client, this.#terminal);
  }

  /** Follows a run that goes on without us. @throws whatever ends the stream early, Ctrl-C included */
  async #watch(client: Client, runId: string): Promise<RunResource> {
    const { interrupted: signal } = this.#terminal;
    return await this.#follow(client, runId, client.events(runId, this.#after, { signal, silenceMs }));
  }

  /** Follows a run of a server on this machine, which Ctrl-C cancels. */
  async #steer(client: Client, runId: string): Promise<RunResource> {
    const { interrupted } = this.#terminal;
    const onInterrupt = (): void => {
      client.cancel(runId).catch(() => undefined);
      setTimeout(() => process.exit(exitCodes.interrupted), cancelLimitMs).unref();
    };
    if (interrupted.aborted) onInterrupt();
    interrupted.addEventListener('abort', onInterrupt, { once: true });
    try {
      return await this.#follow(client, runId, client.events(runId, this.#after));
    } finally {
      interrupted.removeEventListener('abort', onInterrupt);
    }
  }

  async #follow(client: Client, runId: string, events: AsyncIterable<ClientEvent>): Promise<RunResource> {
    for await (const event of events) {
      this.#after = event.id ?? this.#after;
      this.#shown.show(event);
    }
    const run = await client.get(runId);
    if (run.ended_at === null) throw new Unavailable(`The event stream of run ${runId} ended early.`);
    return run;
  }

  #whereabouts({ url }: Client): string {
    if (this.#runId === null) return `If ${url} took the question, \`argosy runs list\` shows it there.`;
    const [watch, cancel] = ['watch', 'cancel'].map((action) => `\`argosy runs ${action} ${this.#runId}\``);
    return `Run ${this.#runId} goes on at ${url}: ${watch} follows it, ${cancel} ends it.`;
  }
}

async function deliver(
  run: RunResource,
  command: ResearchCommand,
  client: Client,
  { progress, print }: Terminal,
): Promise<number> {
  progress.end();
  if (run.report === null) {
    progress.note(`run ${run.id} is ${run.status}; it has no report`);
    return exitCodeOf(run.status);
  }
  const written = await writeReport(run.id, await client.bundle(run.id), command);
  print(`${written.markdown}\n`);
  progress.note(`written to ${written.folder}`);
  return isCutOff(run, command) ? exitCodes.unreachable : exitCodeOf(run.report.status);
}

function exitCodeOf(status: RunResource['status']): number {
  switch (status) {
    case 'completed':
      return exitCodes.ok;
    case 'incomplete':
      return exitCodes.incomplete;
    case 'cancelled':
      return exitCodes.interrupted;
    case 'failed':
    case 'queued':
    case 'running':
    case 'waiting':
      return exitCodes.failed;
  }
}
