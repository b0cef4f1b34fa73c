/** The example's images, and some that misbehave in one way each. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './script';

const example = join(root, 'examples/video/images/video');

/**
 * Makes a folder of images:
 * - `1.0.0`: the example's, but its clock ignores SIGTERM
 * - `1.0.1`: the example's, but its front page answers 500
 * - `2.0.0`: the example's, but its applications are unhealthy while the file `sick` is in the folder
 * - `2.0.1`: the example's, but its front page answers 500
 * - `2.0.2`: the example's, but it is never healthy
 */
export function makeImages(folder: string): { readonly sick: string } {
  const sick = join(folder, 'sick');
  image(folder, '1.0.0', '1.0.0', {
    'worker.js': `if (process.argv[2] === 'clock') {
  const { once } = process;
  process.on('SIGTERM', () => console.log('clock: no'));
  process.once = (name, listener) => (name === 'SIGTERM' ? process : once.call(process, name, listener));
}
require(${JSON.stringify(join(example, '1.0.0/worker.js'))});
`,
  });
  image(folder, '1.0.1', '1.0.0', { 'server.js': before('1.0.0', "request.url === '/'") });
  image(folder, '2.0.0', '2.0.0', {
    'server.js': before('2.0.0', `request.url === '/health' && require('node:fs').existsSync(${JSON.stringify(sick)})`),
  });
  image(folder, '2.0.1', '2.0.0', { 'server.js': before('2.0.0', "request.url === '/'") });
  image(folder, '2.0.2', '2.0.0', { 'server.js': before('2.0.0', "request.url === '/health'") });
  return { sick };
}

/** The example's server, with an answer of 500 before it where the condition holds. */
function before(version: string, condition: string): string {
  return `const http = require('node:http');
const { createServer } = http;
http.createServer = (handler) =>
  createServer((request, response) => {
    if (!(${condition})) return handler(request, response);
    const { releaseHeaders } = require(${JSON.stringify(join(example, version, 'lib/release.js'))});
    response.writeHead(500, releaseHeaders).end('out of order');
  });
require(${JSON.stringify(join(example, version, 'server.js'))});
`;
}

function image(folder: string, version: string, like: string, files: Readonly<Record<string, string>>): void {
  const made = join(folder, 'video', version);
  mkdirSync(made, { recursive: true });
  for (const name of ['applications', 'lib', 'migrations', 'workers', 'server.js', 'worker.js', 'migrate.js']) {
    const content = files[name];
    if (content === undefined) symlinkSync(join(example, like, name), join(made, name));
    else writeFileSync(join(made, name), content);
  }
}
