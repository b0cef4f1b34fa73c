// Calls to the other applications, through the balancer. The routing key keeps them in this color, whichever color is live.

const { HttpError } = require('./errors');

/** GETs a path of another application; resolves to `{ json, color, release }`, where color and release are those of who answered. */
function ask(path) {
  const base = process.env.INTERNAL_URL;
  if (!base) throw new HttpError(502, 'internal', 'INTERNAL_URL is not set');
  const url = new URL(path, base);
  const client = require(url.protocol === 'https:' ? 'node:https' : 'node:http');
  const header = process.env.SWITCHBACK_KEY_HEADER;
  const headers = header ? { [header]: process.env.SWITCHBACK_KEY ?? '' } : {};
  return new Promise((resolve, reject) => {
    const fail = (why) => reject(new HttpError(502, 'internal', `GET ${path} inside this color failed: ${why}`));
    const request = client.get(url, { headers, timeout: 3000 }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', (error) => fail(error.message));
      response.on('end', () => {
        if (response.statusCode !== 200) return fail(`it answered ${response.statusCode}`);
        try {
          const json = JSON.parse(Buffer.concat(chunks).toString('utf8'));
          resolve({ json, color: response.headers['x-color'] ?? 'none', release: response.headers['x-release'] ?? 'none' });
        } catch {
          fail('its answer is not JSON');
        }
      });
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 3 s')));
    request.on('error', (error) => fail(error.message));
  });
}

module.exports = { ask };
