/** A real API server for tests; see kubernetes.mjs. */
export interface ApiServer {
  readonly url: string;
  readonly token: string;
  readonly certificate: string;
  /** Ends it without a warning; what it keeps is in etcd, which stays. */
  kill(): Promise<void>;
  /** On the same port, with the same token and certificate. */
  startAgain(): Promise<void>;
  stop(): Promise<void>;
}
export function kubernetesVersion(): string;
export function foreignKinds(): string[];
export function startApiServer(): Promise<ApiServer>;
