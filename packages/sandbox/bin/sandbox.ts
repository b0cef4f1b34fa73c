#!/usr/bin/env node
/** `npm run sandbox` in the repository, `npx cdk-switchback-sandbox` where the package is installed (docs/sandbox.md). */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

import { sandboxCommand } from '../lib/index';

const spelled = __filename.endsWith('.ts') ? 'npm run sandbox --' : 'npx cdk-switchback-sandbox';

void sandboxCommand(process.argv.slice(2), spelled).then((code) => {
  process.exitCode = code;
});
