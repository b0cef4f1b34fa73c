/** Asks the fault endpoints of a running sandbox, as docs/sandbox/faults.md does with curl: for tests and for the soak. */

/** The sandbox, as `environmentFor` names it. */
export type Asked = Readonly<Record<string, string | undefined>>;

/** Answers what the sandbox said; throws what it said when it refused. */
export async function askFaults(env: Asked, method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<string> {
  const answer = await sendToFaults(env, method, path, body);
  const text = (await answer.text()).trim();
  if (!answer.ok) throw new Error(`the sandbox refuses ${JSON.stringify(body)}: ${text}`);
  return text;
}

/** The same, with the answer as it came. `path` is what follows /_sandbox/faults. */
export const sendToFaults = (env: Asked, method: string, path: string, body?: object): Promise<Response> =>
  fetch(`${env['AWS_ENDPOINT_URL']}/_sandbox/faults${path}`, {
    method,
    headers: { authorization: signedBy(env['AWS_ACCESS_KEY_ID'] ?? '') },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });

/** Signatures are not verified: the key is what counts. */
export const signedBy = (accessKeyId: string, service = 'sandbox'): string =>
  `AWS4-HMAC-SHA256 Credential=${accessKeyId}/20260101/eu-central-1/${service}/aws4_request, SignedHeaders=host, Signature=0`;
