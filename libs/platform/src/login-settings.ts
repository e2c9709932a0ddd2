import { z } from 'zod';
import { safeAddress, secret } from './setting-forms.ts';

const someText = z.string().min(1).max(200);
const list = (form: RegExp, needs: string) => z.string().regex(form, needs).optional();

/** How people log in to the console by an identity provider that speaks OpenID Connect. */
export const loginSettings = {
  ARGOSY_PUBLIC_URL: safeAddress('https://argosy.example')
    .refine((text) => URL.parse(text)?.pathname === '/', 'has a path: the console is at the root of its host')
    .optional(),
  ARGOSY_OIDC_ISSUER: safeAddress('https://login.example/realms/acme')
    .refine(
      (text) => !text.includes('/.well-known/'),
      'is the address of a document: leave out all from /.well-known/ on',
    )
    .optional(),
  ARGOSY_OIDC_CLIENT_ID: someText.optional(),
  ARGOSY_OIDC_CLIENT_SECRET: secret,
  ARGOSY_OIDC_SCOPES: z
    .string()
    .regex(/^[\x21-\x7e]+( [\x21-\x7e]+)*$/, 'is not words with one space between them')
    .refine((text) => text.split(' ').includes('openid'), 'lacks openid')
    .default('openid email profile'),
  ARGOSY_OIDC_NAME: someText.optional(),
  ARGOSY_OIDC_TENANT: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'is not the id of a tenant')
    .optional(),
  ARGOSY_OIDC_TENANT_CLAIM: someText.optional(),
  ARGOSY_OIDC_TENANTS: list(
    /^[^=,]+=[a-z0-9][a-z0-9_-]{0,62}(,[^=,]+=[a-z0-9][a-z0-9_-]{0,62})*$/,
    'needs values of the claim and tenants, such as example.com=acme,example.org=other',
  ),
  ARGOSY_OIDC_ADMIN: list(/^[^=]+=.+$/, 'needs a claim and a value, such as groups=argosy-admins'),
  ARGOSY_OIDC_DOMAINS: list(
    /^[\w-]+(\.[\w-]+)+(,[\w-]+(\.[\w-]+)+)*$/,
    'needs domains of e-mail, such as example.com,example.org',
  ),
  ARGOSY_OIDC_HOURS: z.coerce.number().int().min(1).max(168).default(8),
} as const;
