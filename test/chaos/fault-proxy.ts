/**
 * A TCP proxy between one process and one of its stores. It recognises a statement by the client's own bytes and acts
 * before the server sees it, or after the server carried it out and before the client learns of it. So a crash point is
 * a place in the conversation, and the process under test knows nothing of it.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A place in a conversation with a store. */
export interface Point {
  /** Text of the statement (PostgreSQL), or of the command and its arguments (Redis). */
  readonly statement: string;
  /** Text that its parameters must hold, too. */
  readonly values?: string;
  /** `before`: the server never gets it. `after`: it was carried out, and its reply is held back. */
  readonly when: 'before' | 'after';
}

/** A conversation that was stopped at a point. Nothing more passes until it is let go. */
export interface Stopped {
  /** The statement with its parameters, or the command. */
  readonly said: string;
  /** What was held back goes on its way, late. */
  letGo(): void;
}

interface Trap {
  readonly point: Point;
  readonly act: (stopped: Stopped) => void;
  readonly fired: PromiseWithResolvers<Stopped>;
}

/** A connection to the store. A port soon belongs to another one again. */
export interface Connection {
  readonly port: number;
  /** Milliseconds since 1970. */
  readonly since: number;
}

export type Protocol = 'postgres' | 'redis';

export class FaultProxy {
  readonly #server: Server;
  readonly #conversations = new Set<Conversation>();
  readonly #traps = new Set<Trap>();
  /** Our ends of all connections to the store so far: by them the store's record tells one process from another. */
  readonly connections: Connection[] = [];
  #open = true;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param store address of the server behind the proxy */
  static async start(store: string, protocol: Protocol): Promise<FaultProxy> {
    const { hostname, port } = new URL(store);
    const server = createServer();
    const proxy = new FaultProxy(server);
    server.on('connection', (client) => proxy.#meet(client, connect(Number(port), hostname), protocol));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  /** The store's address as the process under test gets it. */
  through(store: string): string {
    const url = new URL(store);
    url.hostname = '127.0.0.1';
    // A TCP server's address is never a pipe name.
    url.port = String((this.#server.address() as AddressInfo).port);
    return url.href;
  }

  /**
   * Waits for the next conversation that comes to a point, stops it there and does `act`, all before any further byte.
   * @returns resolves when it has happened, once
   */
  async stopAt(point: Point, act: (stopped: Stopped) => void = () => undefined): Promise<Stopped> {
    const trap: Trap = { point, act, fired: Promise.withResolvers() };
    this.#traps.add(trap);
    return await trap.fired.promise;
  }

  /** Breaks every connection, as a network does that forgets them. New ones are refused until {@link heal}. */
  cut(): void {
    this.#open = false;
    for (const conversation of this.#conversations) conversation.end();
  }

  heal(): void {
    this.#open = true;
  }

  async close(): Promise<void> {
    this.cut();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #meet(client: Socket, store: Socket, protocol: Protocol): void {
    if (!this.#open) {
      client.destroy();
      store.destroy();
      return;
    }
    store.once('connect', () => this.connections.push({ port: store.localPort ?? 0, since: Date.now() }));
    const conversation = new Conversation(client, store, { protocol, trapFor: (said) => this.#trapFor(said) });
    this.#conversations.add(conversation);
    conversation.ended.then(
      () => this.#conversations.delete(conversation),
      () => undefined,
    );
  }

  /** Takes the trap that a statement springs out of the ones that are set. */
  #trapFor(said: Buffer): Trap | undefined {
    for (const trap of this.#traps) {
      if (!said.includes(trap.point.statement)) continue;
      if (trap.point.values !== undefined && !said.includes(trap.point.values)) continue;
      this.#traps.delete(trap);
      return trap;
    }
    return undefined;
  }
}

interface Manner {
  readonly protocol: Protocol;
  readonly trapFor: (said: Buffer) => Trap | undefined;
}

/** One connection of the process, and ours to the store. */
class Conversation {
  readonly ended: Promise<void>;
  readonly #client: Socket;
  readonly #store: Socket;
  readonly #manner: Manner;
  readonly #said: Framing;
  readonly #answered: Framing;
  /** Bytes that wait behind a point, each way. */
  #held: Buffer[] | null = null;
  #heldAnswer: Buffer[] | null = null;
  #after: { readonly trap: Trap; readonly said: Buffer } | undefined;

  constructor(client: Socket, store: Socket, manner: Manner) {
    this.#client = client;
    this.#store = store;
    this.#manner = manner;
    this.#said = manner.protocol === 'postgres' ? new Statements() : new Chunks();
    this.#answered = manner.protocol === 'postgres' ? new Answers() : new Chunks();
    const both = [client, store];
    for (const socket of both) socket.setNoDelay(true).on('error', () => this.end());
    this.ended = Promise.all(
      both.map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()))),
    ).then(() => undefined);
    for (const socket of both) socket.once('close', () => this.end());
    client.on('data', (bytes) => this.#onSaid(bytes));
    store.on('data', (bytes) => this.#onAnswered(bytes));
  }

  end(): void {
    this.#client.destroy();
    this.#store.destroy();
  }

  #onSaid(bytes: Buffer): void {
    for (const said of this.#said.take(bytes)) {
      if (this.#held !== null) {
        this.#held.push(said);
        continue;
      }
      const trap = this.#manner.trapFor(said);
      if (trap?.point.when === 'before') {
        this.#held = [said];
        this.#spring(trap, said);
        continue;
      }
      if (trap !== undefined) {
        this.#after = { trap, said };
        this.#heldAnswer = [];
      }
      this.#store.write(said);
    }
  }

  #onAnswered(bytes: Buffer): void {
    for (const answered of this.#answered.take(bytes)) {
      if (this.#heldAnswer === null) this.#client.write(answered);
      else this.#heldAnswer.push(answered);
      if (this.#after === undefined || !this.#answered.isEnd(answered)) continue;
      const { trap, said } = this.#after;
      this.#after = undefined;
      this.#spring(trap, said);
    }
  }

  #spring(trap: Trap, said: Buffer): void {
    const stopped: Stopped = { said: said.toString('utf8'), letGo: () => this.#letGo() };
    trap.act(stopped);
    trap.fired.resolve(stopped);
  }

  #letGo(): void {
    for (const said of this.#held ?? []) this.#store.write(said);
    for (const answered of this.#heldAnswer ?? []) this.#client.write(answered);
    this.#held = null;
    this.#heldAnswer = null;
  }
}

/** Cuts a stream of bytes into what is looked at as one. */
interface Framing {
  take(bytes: Buffer): Buffer[];
  /** Whether the store has answered all of what was said. */
  isEnd(part: Buffer): boolean;
}

/** As the bytes come: an ioredis client writes a command, or a pipeline of them, at once. */
class Chunks implements Framing {
  take(bytes: Buffer): Buffer[] {
    return [bytes];
  }

  isEnd(): boolean {
    return true;
  }
}

/** Messages of PostgreSQL's protocol 3: a type, then a length that counts itself. */
class Messages {
  #rest: Buffer = Buffer.alloc(0);

  take(bytes: Buffer, typed: () => boolean): Buffer[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const messages: Buffer[] = [];
    for (;;) {
      const at = typed() ? 1 : 0;
      if (this.#rest.length < at + 4) return messages;
      const length = at + this.#rest.readInt32BE(at);
      if (this.#rest.length < length) return messages;
      messages.push(this.#rest.subarray(0, length));
      this.#rest = this.#rest.subarray(length);
      if (at === 0) return [...messages, ...this.take(Buffer.alloc(0), () => true)];
    }
  }
}

const type = (message: Buffer): string => String.fromCharCode(message[0] ?? 0);

/** A statement is all that a client says up to Sync, or one simple query. The first message has no type. */
class Statements implements Framing {
  readonly #messages = new Messages();
  #started = false;
  #gathered: Buffer[] = [];

  take(bytes: Buffer): Buffer[] {
    const statements: Buffer[] = [];
    const started = this.#started;
    const messages = this.#messages.take(bytes, () => started);
    for (const message of messages) {
      this.#gathered.push(message);
      if (!this.#started || !'PBDECF'.includes(type(message))) {
        statements.push(Buffer.concat(this.#gathered));
        this.#gathered = [];
      }
      this.#started = true;
    }
    return statements;
  }

  isEnd(): boolean {
    return false;
  }
}

class Answers implements Framing {
  readonly #messages = new Messages();

  take(bytes: Buffer): Buffer[] {
    return this.#messages.take(bytes, () => true);
  }

  /** ReadyForQuery: by then the statement's transaction has been committed. */
  isEnd(message: Buffer): boolean {
    return type(message) === 'Z';
  }
}
