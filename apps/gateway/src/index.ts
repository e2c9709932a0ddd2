export { type Offer, toolPrices } from './acceptance.ts';
export { Gateway, type GatewayOptions } from './gateway.ts';
export { Issuer } from './login/issuer.ts';
export { Logins } from './login/logins.ts';
export { oidcOf } from './login/oidc-settings.ts';
