/** Node, and the order of tests: shuffled where a file's tests stand alone, as written where they share servers and go through one story. */
const { sep } = require('node:path');
const { TestEnvironment } = require('jest-environment-node');

/** Rooms whose tests need nothing of each other. A room with servers of its own starts them once a file: shuffled, each test would need its own. */
const shuffled = ['aws', 'base', 'constructs', 'engine', 'manifest', 'package', 'plans', 'report', 'terminal'];

module.exports = class extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    this.inOrder = !shuffled.some((room) => context.testPath.startsWith(`${config.projectConfig.rootDir}${sep}test${sep}${room}${sep}`));
  }

  handleTestEvent(event, state) {
    // before the first test runs: jest reads it once, then.
    if (this.inOrder && event.name !== 'run_start') state.randomize = false;
  }
};
