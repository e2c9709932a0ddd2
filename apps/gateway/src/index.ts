export type { Offer } from './acceptance.ts';
export { Gateway, type GatewayOptions } from './gateway.ts';
