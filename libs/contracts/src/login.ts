import { z } from 'zod';

/** Answer to `GET /v1/login`. */
export const waysIn = z
  .object({
    key: z.boolean().meta({ description: 'Whether this server asks for a key at all.' }),
    oidc: z
      .object({
        name: z.string().meta({ description: 'What people call the identity provider.' }),
        trouble: z.string().nullable().meta({ description: 'Why it cannot be used now; null when it can.' }),
      })
      .nullable()
      .meta({ description: 'The identity provider by which people log in to the console; null where there is none.' }),
  })
  .meta({
    id: 'WaysIn',
    description: 'How to come by a key.',
    examples: [{ key: true, oidc: { name: 'Acme', trouble: null } }],
  });
export type WaysIn = z.infer<typeof waysIn>;

/** What a browser keeps until it comes back from the identity provider; nobody else can finish its login. */
const part = z.string().regex(/^[\w.~-]{16,128}$/, 'is none of those that POST /v1/login gave');
const ticket = z.strictObject({ state: part, nonce: part, verifier: part });
const exampleTicket = {
  state: 'uZ0sVvTKDxcLGXQMsL8oJjK0nJ0mHkzXxAw3e5cZ6Zo',
  nonce: 'o4lqzkWYvS3zJH9gNvhCkT1oW9m4Wb6tJm0qSgA6y8E',
  verifier: 'xk0jN2yKj6vR7Vb1m3dQ8tWc5ZpLrA9sEoHgUfYiTnM',
};

/** Answer to `POST /v1/login`. */
export const begunLogin = z
  .object({
    address: z.string().meta({ description: 'Of the identity provider: where to send the browser.' }),
    ticket: ticket.meta({ description: 'To be kept by this browser, and sent when it has come back.' }),
  })
  .meta({
    id: 'BegunLogin',
    description: 'A login that was begun.',
    examples: [{ address: 'https://login.example/authorize?client_id=argosy', ticket: exampleTicket }],
  });
export type BegunLogin = z.infer<typeof begunLogin>;

/** Body of `POST /v1/login/finish`. */
export const finishBody = z
  .strictObject({
    ticket: ticket.meta({ description: 'What `POST /v1/login` gave.' }),
    query: z
      .string()
      .max(8_192)
      .meta({ description: 'What stands behind the `?` of the address that the browser came back to.' }),
  })
  .meta({
    id: 'LoginReturn',
    description: 'What a browser came back with.',
    examples: [{ ticket: exampleTicket, query: `code=abc&state=${exampleTicket.state}` }],
  });

/** Answer to `POST /v1/login/finish`. */
export const givenLogin = z
  .object({
    key: z.string().meta({ description: 'A key for the hours of this login. It is shown here and never again.' }),
    name: z.string().meta({ description: 'Of the person.' }),
    tenant: z.string(),
    expires_at: z.string(),
  })
  .meta({
    id: 'Login',
    description: 'A key for somebody who logged in.',
    examples: [
      {
        key: 'arg_live_0f1e2d3c4b5a6978_0000000000000000000000000000000000000000000_000000',
        name: 'ada@example.com',
        tenant: 'acme',
        expires_at: '2026-01-31T20:00:00.000Z',
      },
    ],
  });
export type GivenLogin = z.infer<typeof givenLogin>;
