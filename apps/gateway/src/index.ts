export { type Offer, toolPrices } from './acceptance.ts';
export { Gateway, type GatewayOptions } from './gateway.ts';
export { Issuer } from './login/issuer.ts';
export { oidcOf } from './login/oidc-settings.ts';
