/** What `npm test` runs first: everything but whole windows (jest.windows.config.js; jest.nights.config.js is CI's). */
module.exports = {
  testEnvironment: '<rootDir>/test/_helpers/jest-environment.js',
  // but for stories told in order: the environment says which.
  randomize: true,
  transform: {
    '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }],
  },
  setupFiles: ['<rootDir>/test/_helpers/environment.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/packages/sandbox/dist', '<rootDir>/cdk.out', '<rootDir>/.switchback'],
  testMatch: ['<rootDir>/test/**/*.test.ts', '<rootDir>/packages/*/test/**/*.test.ts'],
  testPathIgnorePatterns: [
    '/test/windows/',
    '/test/nights/',
    '/test/cases/',
    '/test/postgres/schema/kinds/',
    '/test/package/packed',
    '/node_modules/',
  ],
  clearMocks: true,
  // for what hangs; a busy machine is no failure.
  testTimeout: 120_000,
  maxWorkers: 2,
};
