import { Template } from 'aws-cdk-lib/assertions';
import { type Json, standard } from './system';

/** One look at everything a stack is made of, for reviews: what the tests of intent do not mention changes here. */
test.each(['shared', 'blue', 'green', 'fallback'] as const)('the template of %s', (name) => {
  expect(withoutHashes(Template.fromStack(standard()[name]!).toJSON())).toMatchSnapshot();
});

/** Hashes of assets and fingerprints change with every change of a handler. */
function withoutHashes(template: Json): Json {
  return JSON.parse(
    JSON.stringify(template)
      .replaceAll(/[0-9a-f]{64}/g, '<hash>')
      .replaceAll(/"Fingerprint":"[0-9a-f]{32}"/g, '"Fingerprint":"<fingerprint>"'),
  );
}
