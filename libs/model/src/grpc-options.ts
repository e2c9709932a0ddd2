import type { Logger } from '#platform';
import type { Tokenizer } from '#tokens';
import type { Clock } from './clock.ts';
import type { GrpcTls } from './grpc-channel.ts';
import type { Profile } from './profile.ts';
import type { RetryPolicy } from './retry.ts';
import type { SessionDirectory } from './routing/session-router.ts';

/** Inference groups of one model and how to treat them. */
export interface GrpcModelOptions {
  /** `host:port` of each group, all different. */
  readonly addresses: readonly string[];
  /** The model's name for reports and telemetry. */
  readonly name: string;
  readonly profile: Profile;
  /** What runs are planned for; a group whose context is smaller is refused at the first call. */
  readonly contextTokens: number;
  /** Where sessions have their homes among several groups. Null, the default: this process remembers its own. */
  readonly directory?: SessionDirectory | null;
  /** Told what costs time and fails nothing. */
  readonly logger?: Logger;
  /** Null, the default: plain text. */
  readonly tls?: GrpcTls | null;
  /** Longest silence while a reply is waited for or comes. Default 120,000: a long prompt takes its time. */
  readonly silenceMs?: number;
  /** The model's own, to count prompts without asking a group. */
  readonly tokenizer?: Tokenizer;
  /** True: replies are held to the profile's form, so that calls are well-formed whatever the model would say. Default false. */
  readonly isHeld?: boolean;
  readonly retry?: Partial<RetryPolicy>;
  readonly clock?: Clock;
  /** Uniform in [0, 1), for the spread of retries and for seeds. */
  readonly random?: () => number;
}
