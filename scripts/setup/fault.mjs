/** What ends a task early: said in one or two lines, never as a stack trace. */
export class Fault extends Error {
  name = 'Fault';

  /**
   * @param {string} message what was wrong and what to do
   * @param {number} exitCode 1 unless told; 2 wrong usage; 5 the package registry cannot be reached
   */
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What the system or npm says, and what a stranger can do about it. The first match wins. */
const causes = [
  [/ENOSPC|EDQUOT/, 'The disk is full: free about 2 GB and start again.', 1],
  [/EROFS|EACCES|EPERM/, 'A file cannot be written here: check who owns this folder and its node_modules.', 1],
  [
    /E401|E403|E407|E451/,
    'The package registry refused the request: check `npm config get registry`, proxy and login.',
    5,
  ],
  [/E404|ETARGET|ENOVERSIONS/, 'The package registry does not have a package that package-lock.json names.', 5],
  [/EINTEGRITY/, 'A package differs from what package-lock.json expects: try `npm cache clean --force`.', 1],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|ERR_SOCKET|FETCH_ERROR|CERT|E5\d\d/,
    'No package registry can be reached: check the network, the proxy and `npm config get registry`.',
    5,
  ],
];

/**
 * Turns npm's or the system's words into a Fault.
 * @param {string} doing what was going on, as in "installing packages"
 * @param {string} words error output or an error message
 */
export function explain(doing, words) {
  const found = causes.find(([pattern]) => pattern.test(words));
  const detail = words
    .split('\n')
    .map((line) => line.replace(/^npm (error|ERR!)\s*/, '').trim())
    .filter(
      (line) => line !== '' && !/complete log of this run|^at |^(code|errno|syscall|type|path)\b|^\W*$/.test(line),
    )
    .slice(0, 3);
  const advice = found ? [found[1]] : [];
  return new Fault([`${doing} failed.`, ...advice, ...detail.map((line) => `  ${line}`)].join('\n'), found?.[2] ?? 1);
}

/** Progress goes to stderr: stdout belongs to the task's result. */
export function say(line) {
  process.stderr.write(`argosy: ${line}\n`);
}

/** Says what begins and, with seconds, that it ended. */
export async function announced(what, work) {
  say(`${what} ...`);
  const startedAt = performance.now();
  const result = await work();
  say(`${what}: done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  return result;
}
