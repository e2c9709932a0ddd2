// Written by `npm run gen`.
export * from './described-files.ts';
export * as expert from './argosy/expert/v1/expert.ts';
export * as inference from './argosy/inference/v1/inference.ts';
export * as health from './grpc/health/v1/health.ts';
export * as reflection from './grpc/reflection/v1/reflection.ts';
export * as reflectionAlpha from './grpc/reflection/v1alpha/reflection.ts';
export * as rpcStatus from './google/rpc/status.ts';
export * as rpcDetails from './google/rpc/error_details.ts';
