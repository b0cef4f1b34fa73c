/** Node, and the order of tests: shuffled where a file's tests stand alone, as written where they share a server and go through one story. */
const { readFileSync } = require('node:fs');
const { sep } = require('node:path');
const { TestEnvironment } = require('jest-environment-node');

/** Rooms whose tests need nothing of each other. */
const shuffled = ['aws', 'base', 'constructs', 'engine', 'manifest', 'package', 'plans', 'report', 'terminal'];
/** What a file has whose tests share something that the first of them starts: shuffled, each would need its own. */
const shares = /\b(beforeAll|startServer|sandboxForTest)\(/;

module.exports = class extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    const { testPath } = context;
    const standsAlone = shuffled.some((room) => testPath.startsWith(`${config.projectConfig.rootDir}${sep}test${sep}${room}${sep}`));
    this.inOrder = !standsAlone || shares.test(readFileSync(testPath, 'utf8'));
  }

  handleTestEvent(event, state) {
    // before the first test runs: jest reads it once, then.
    if (this.inOrder && event.name !== 'run_start') state.randomize = false;
  }
};
