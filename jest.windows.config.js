/** Whole release windows, the real CDK command line against the sandbox, and the packages as people install them: minutes. */
module.exports = {
  ...require('./jest.config'),
  testMatch: ['<rootDir>/test/windows/**/*.test.ts', '<rootDir>/test/package/packed.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 600_000,
  // mostly waiting for servers to start and stop.
  maxWorkers: 2,
};
