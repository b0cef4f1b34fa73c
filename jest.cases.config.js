/** Migrations of other teams, and of each kind of schema change, taken through whole windows (`npm run test:cases`): a few minutes. */
module.exports = {
  ...require('./jest.config.js'),
  testMatch: ['<rootDir>/test/cases/**/*.test.ts', '<rootDir>/test/postgres/schema/kinds/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 900_000,
};
