// Two projects: `unit` answers within a minute; `windows` takes whole release windows through the sandbox.
const shared = {
  testEnvironment: 'node',
  transform: { '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }] },
  setupFiles: ['<rootDir>/test/_helpers/environment.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/cdk.out', '<rootDir>/.switchback'],
  clearMocks: true,
};
module.exports = {
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: ['<rootDir>/test/**/*.test.ts'],
      testPathIgnorePatterns: ['<rootDir>/test/windows/', '/node_modules/'],
    },
    { ...shared, displayName: 'windows', testMatch: ['<rootDir>/test/windows/**/*.test.ts'] },
  ],
  testTimeout: 30_000,
  maxWorkers: 2,
};
