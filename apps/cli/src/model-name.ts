import type { ModelSpec } from '#model';

/** The name under which requests ask for a model. */
export function nameOf(spec: ModelSpec): string {
  switch (spec.kind) {
    case 'extractive':
      return 'extractive';
    case 'openai':
      return spec.model;
    case 'grpc':
      return `${spec.host}:${spec.port}`;
  }
}
