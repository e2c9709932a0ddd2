export { type Offer, toolPrices } from './acceptance.ts';
export { Gateway, type GatewayOptions } from './gateway.ts';
