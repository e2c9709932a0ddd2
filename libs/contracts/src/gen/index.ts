// Written by `npm run gen`.
export * as expert from './argosy/expert/v1/expert.ts';
export * as inference from './argosy/inference/v1/inference.ts';
