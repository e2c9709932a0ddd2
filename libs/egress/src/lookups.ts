/** All addresses of a host name, by whoever looks it up. */
type LookUp = (host: string) => Promise<readonly string[]>;

interface Waiting {
  readonly since: number;
  readonly go: () => void;
  readonly giveUp: () => void;
}

/** Nobody waits for a look-up any more that could not begin for so long. */
const WAIT_MS = 5_000;

/**
 * Look-ups by the machine's own resolver, which works on the process's few threads (four by libuv's default) that reading
 * files, compression and keys need as well: never more at once than leave one of them free, however long it hangs, and one
 * for all who ask for the same name.
 */
export class Lookups {
  readonly #lookUp: LookUp;
  readonly #now: () => number;
  readonly #underWay = new Map<string, Promise<readonly string[]>>();
  readonly #waiting: Waiting[] = [];
  #free: number;

  /** @param now milliseconds that only ever grow */
  constructor(lookUp: LookUp, most: number, now: () => number = () => performance.now()) {
    this.#lookUp = lookUp;
    this.#free = most;
    this.#now = now;
  }

  /** Rejects as the resolver does, and with `EAI_AGAIN` where its turn came too late. */
  async addressesOf(host: string): Promise<readonly string[]> {
    const known = this.#underWay.get(host);
    if (known) return await known;
    const asked = this.#inTurn(host);
    this.#underWay.set(host, asked);
    try {
      return await asked;
    } finally {
      this.#underWay.delete(host);
    }
  }

  async #inTurn(host: string): Promise<readonly string[]> {
    if (this.#free === 0) {
      await new Promise<void>((go, reject) => {
        const giveUp = () => reject(Object.assign(new Error(`no look-up of ${host} in time`), { code: 'EAI_AGAIN' }));
        this.#waiting.push({ since: this.#now(), go, giveUp });
      });
    } else this.#free--;
    try {
      return await this.#lookUp(host);
    } finally {
      this.#next();
    }
  }

  /** Hands the turn to the first who still waits. */
  #next(): void {
    for (let first = this.#waiting.shift(); first; first = this.#waiting.shift()) {
      if (this.#now() - first.since <= WAIT_MS) {
        first.go();
        return;
      }
      first.giveUp();
    }
    this.#free++;
  }
}
