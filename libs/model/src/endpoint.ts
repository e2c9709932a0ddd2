/** Why a text cannot be the base URL of a model server, or nothing when it can. Never repeats a password. */
export function baseUrlProblem(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return `"${text}" is not an http or https URL`;
  if (url.username || url.password)
    return 'the base URL must not carry a user name or password; set the API key instead';
  if (/\/(?:chat\/)?completions\/?$/.test(url.pathname)) {
    return `"${text}" names an operation; give the base URL before /chat/completions`;
  }
  return undefined;
}

/** `path` below the base URL, whose query (an API version, say) is kept. */
export function urlUnder(baseUrl: string, path: string): string {
  const url = new URL(baseUrl);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path}`;
  return url.href;
}
