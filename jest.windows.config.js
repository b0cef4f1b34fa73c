/** Whole release windows and the real CDK command line against the sandbox: minutes. */
module.exports = {
  ...require('./jest.config'),
  testMatch: ['<rootDir>/test/windows/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 600_000,
  // mostly waiting for servers to start and stop.
  maxWorkers: 2,
};
