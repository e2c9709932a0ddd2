/** Redis and PostgreSQL for tests; see servers.mjs. */
export interface PrivateServer {
  readonly url: string;
  readonly pid: number | undefined;
  /** Again on the same port and data, after `kill` or `shutDown`; resolves when it answers. */
  start(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** As an operator would. */
  shutDown(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

export interface Servers {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly started: readonly PrivateServer[];
  stop(): Promise<void>;
}

export function haveServers(wanted: readonly ('redis' | 'postgres')[]): boolean;
export function startRedis(settings?: Readonly<Record<string, string>>): Promise<PrivateServer>;
export function startPostgres(options?: { readonly tests?: boolean }): Promise<PrivateServer>;
export function startServers(options?: { readonly tests?: boolean }): Promise<Servers>;
