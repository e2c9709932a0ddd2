/** A real API server for tests; see kubernetes.mjs. */
export interface ApiServer {
  readonly url: string;
  readonly token: string;
  readonly certificate: string;
  stop(): Promise<void>;
}
export function kubernetesVersion(): string;
export function foreignKinds(): string[];
export function startApiServer(): Promise<ApiServer>;
