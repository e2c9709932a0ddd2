/** Injection tokens of the gateway. */
export const RUNS = Symbol('runs');
export const OFFER = Symbol('offer');
export const EVENT_STREAMS = Symbol('event streams');
/** What the tools of this process can do; null where they are other processes. */
export const TOOLS = Symbol('tools');
export const HEALTH = Symbol('health');
export const DOCUMENT = Symbol('document');
export const GROUPS = Symbol('inference groups');
export const KEYS = Symbol('keys');
/** How people log in by an identity provider; null where they do not. */
export const LOGINS = Symbol('logins');
export const SECRETS = Symbol('secrets');
export const SIGNING_KEY = Symbol('signing key');
/** How long answers and the clients of streams are waited for. */
export const PATIENCE = Symbol('patience');
