import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Instruments, type Reading } from './instruments.ts';
import { namesOf } from './labels.ts';

const late = (which: string) => `Lateness of the event loop, ${which}, since the scrape before; of 10 s at least.`;

const every = new Instruments();
const buildInfo = every.gauge('argosy_build_info', 'Always 1; its labels say what runs here.', {
  version: namesOf('a release'),
  role: namesOf('a role'),
});
const startTime = every.gauge('process_start_time_seconds', 'When the process began, in seconds since 1970.');
const uptime = every.gauge('argosy_process_uptime_seconds', 'How long the process has run.');
const memory = every.gauge('process_resident_memory_bytes', 'Memory of the process that is in RAM.');
const cpu = every.observedCounter('process_cpu_seconds_total', 'Processor time of the process, user and system.');
const delayP50 = every.gauge('argosy_event_loop_delay_p50_seconds', late('median'));
const delayP99 = every.gauge('argosy_event_loop_delay_p99_seconds', late('99th percentile'));
const delayMax = every.gauge('argosy_event_loop_delay_max_seconds', late('worst'));

/** Measures the process itself from now on. */
export function observeProcess(role: string, version: string): void {
  buildInfo.from(() => [{ value: 1, labels: { version, role } }]);
  startTime.from(() => [{ value: performance.timeOrigin / 1000 }]);
  uptime.from(() => [{ value: process.uptime() }]);
  memory.from(() => [{ value: process.memoryUsage.rss() }]);
  cpu.from(() => [{ value: cpuSeconds() }]);
  const delay = new EventLoopDelay();
  delayP50.from(() => delay.read('p50'));
  delayP99.from(() => delay.read('p99'));
  delayMax.from(() => delay.read('max'));
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** The monitor's timer fires this often; what it measures is the time between two firings. */
const resolutionMs = 20;

/** Shortest time that figures are made of: several scrapers would otherwise take each other's. */
const windowMs = 10_000;

interface Delays {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** How late the event loop comes, in windows that end when somebody asks. */
class EventLoopDelay {
  readonly #monitor: ReturnType<typeof monitorEventLoopDelay>;
  #since = performance.now();
  #last: Delays | null = null;

  constructor() {
    this.#monitor = monitorEventLoopDelay({ resolution: resolutionMs });
    this.#monitor.enable();
  }

  read(which: keyof Delays): readonly Reading[] {
    if (performance.now() - this.#since >= windowMs) {
      this.#last = this.#figures();
      this.#monitor.reset();
      this.#since = performance.now();
    }
    const figures = this.#last ?? this.#figures();
    return figures === null ? [] : [{ value: figures[which] }];
  }

  #figures(): Delays | null {
    const { count, max } = this.#monitor;
    if (count === 0) return null;
    return {
      p50: seconds(this.#monitor.percentile(50)),
      p99: seconds(this.#monitor.percentile(99)),
      max: seconds(max),
    };
  }
}

function seconds(nanoseconds: number): number {
  return Math.max(0, nanoseconds - resolutionMs * 1e6) / 1e9;
}
