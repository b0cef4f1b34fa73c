import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { acknowledge } from './permissions';

/** The secret of a database user, with a password that needs no quoting in a URL or in SQL. */
export class UserSecret extends secretsmanager.Secret {
  constructor(scope: Construct, id: string, username: string, description: string) {
    super(scope, id, {
      description,
      generateSecretString: {
        secretStringTemplate: JSON.stringify({ username }),
        generateStringKey: 'password',
        excludePunctuation: true,
        passwordLength: 40,
      },
    });
    acknowledge(
      this,
      'SMG4',
      'a rotation during a window would reach one of the two databases only, and a roll-back would then find users that cannot log in',
    );
  }
}
