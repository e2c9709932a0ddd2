import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { Unavailable } from '#errors';
import { DevTools } from './devtools.ts';
import { newProfile } from './profiles.ts';

export type BrowserSandbox = 'own' | 'pod';

/** How Chromium is started. */
export interface ChromiumOptions {
  readonly program: string;
  readonly userAgent: string;
  /** Who keeps its pages from the machine: its own sandbox, which needs user namespaces, or the pod that it is alone in. Default: own. */
  readonly sandbox?: BrowserSandbox;
  /** Where its profile lies while it runs. Default: the system's folder for temporary files. */
  readonly profiles?: string;
}

/** A busy machine takes many times the second that a start takes. */
const START_MS = 30_000;
/** For what is asked to end by itself; then it is killed. */
const LEAVE_MS = 2_000;
/** Of what Chromium says on stderr, for the message when it does not start. */
const WORDS = 2_000;

/**
 * Nothing but pages by way of the proxy that each context names: names are not resolved here, no UDP leaves the machine,
 * nothing is fetched for the browser's own sake.
 */
const FLAGS = [
  '--headless=new',
  '--remote-debugging-pipe',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-extensions',
  '--disable-sync',
  '--disable-breakpad',
  '--disable-crash-reporter',
  '--disable-component-update',
  '--disable-component-extensions-with-background-pages',
  '--disable-background-networking',
  '--disable-client-side-phishing-detection',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-hang-monitor',
  '--disable-popup-blocking',
  '--disable-prompt-on-repost',
  '--disable-quic',
  '--disable-speech-api',
  '--disable-notifications',
  '--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider,AsyncDns,DnsOverHttps,WebOTP,Prerender2,NetworkPrediction',
  '--webrtc-ip-handling-policy=disable_non_proxied_udp',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
  // A context that named no proxy would find nothing here.
  '--proxy-server=http://127.0.0.1:9',
  '--proxy-bypass-list=<-loopback>',
  '--blink-settings=imagesEnabled=false',
  '--js-flags=--max-old-space-size=512',
  '--renderer-process-limit=4',
  '--metrics-recording-only',
  '--mute-audio',
  '--password-store=basic',
  '--use-mock-keychain',
  '--window-size=1280,2000',
  'about:blank',
];

/** Its own sandbox refuses to run as root. */
export function sandboxFlags(sandbox: BrowserSandbox, isRoot: boolean): readonly string[] {
  return sandbox === 'pod' || isRoot ? ['--no-sandbox'] : [];
}

/** One running Chromium with a profile of its own, in a process group of its own. */
export class Chromium {
  readonly devTools: DevTools;
  readonly #child: ChildProcess;
  readonly #profile: string;
  #ended = false;

  private constructor(child: ChildProcess, profile: string) {
    this.#child = child;
    this.#profile = profile;
    const [, , , input, output] = child.stdio;
    // Both are pipes, as spawn was told.
    this.devTools = new DevTools(input as Writable, output as Readable, () => this.#kill());
    child.once('exit', () => {
      this.#ended = true;
    });
  }

  /** @throws Unavailable with what Chromium says when it does not start */
  static async start({ program, userAgent, profiles, sandbox = 'own' }: ChromiumOptions): Promise<Chromium> {
    const profile = await newProfile(profiles ?? tmpdir());
    const own = [`--user-data-dir=${profile}`, `--user-agent=${userAgent}`];
    const flags = [...sandboxFlags(sandbox, process.getuid?.() === 0), ...own, ...FLAGS];
    const env = { HOME: profile, TMPDIR: profile, XDG_RUNTIME_DIR: profile, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' };
    const stdio = ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] as const;
    const child = spawn(program, flags, { stdio: [...stdio], detached: true, env });
    let words = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      words = (words + bytes.toString('utf8')).slice(-WORDS);
    });
    const failed = new Promise<never>((_, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`it ended with code ${code}`)));
    });
    const chromium = new Chromium(child, profile);
    try {
      await Promise.race([chromium.devTools.send('Browser.getVersion', {}, { limitMs: START_MS }), failed]);
      return chromium;
    } catch (cause) {
      await chromium.close();
      const said =
        words
          .trim()
          .split('\n')
          .findLast((line) => line.trim() !== '') ?? String(cause);
      throw new Unavailable(`The browser ${program} could not be started: ${said.slice(0, 300)}`, { cause });
    } finally {
      failed.catch(() => undefined);
    }
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Ends the browser with all its processes and takes its profile away. */
  async close(): Promise<void> {
    if (!this.#ended && this.#child.pid !== undefined) {
      const exit = once(this.#child, 'exit');
      const timer = setTimeout(() => this.#kill(), LEAVE_MS);
      this.devTools.send('Browser.close', {}).catch(() => this.#kill());
      await exit;
      clearTimeout(timer);
    }
    // Helpers of the browser outlive it when it dies.
    this.#kill();
    this.devTools.close();
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  #kill(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      // The group is gone already.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // what kill throws
    }
  }
}
