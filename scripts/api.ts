/** `npm run api`: writes the public types down as they are now, after a change that is meant (test/package/api.test.ts). */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rollUp } from './declarations';

const [product, sandbox] = rollUp('lib/index.ts', 'packages/sandbox/lib/index.ts');
const written = join(__dirname, '../test/package');
writeFileSync(join(written, 'api.d.ts'), product!);
writeFileSync(join(written, 'sandbox-api.d.ts'), sandbox!);
