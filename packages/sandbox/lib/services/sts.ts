/** Security Token Service: everybody is the account's root, and every role may be assumed. */
import type { AssumeRoleRequest, AssumeRoleResponse, GetCallerIdentityResponse } from '@aws-sdk/client-sts';
import { AwsError, type Sandbox, type Service } from '../service';

export const sts = (sandbox: Sandbox): Service => ({
  client: 'client-sts',
  handlers: {
    GetCallerIdentity: (): GetCallerIdentityResponse => ({
      Account: sandbox.account,
      Arn: `arn:aws:iam::${sandbox.account}:root`,
      UserId: sandbox.account,
    }),

    AssumeRole: (input: AssumeRoleRequest): AssumeRoleResponse => {
      const role = /^arn:aws:iam::\d{12}:role\/(?:.*\/)?([\w+=,.@-]+)$/.exec(input.RoleArn ?? '')?.[1];
      if (!role) throw new AwsError('ValidationError', `${input.RoleArn} is invalid`);
      const { accessKeyId, secretAccessKey, sessionToken, expires } = sandbox.lend(input.DurationSeconds ?? 3600);
      return {
        AssumedRoleUser: {
          Arn: `arn:aws:sts::${sandbox.account}:assumed-role/${role}/${input.RoleSessionName}`,
          AssumedRoleId: `AROA${sandbox.id(16).toUpperCase()}:${input.RoleSessionName}`,
        },
        Credentials: {
          AccessKeyId: accessKeyId,
          SecretAccessKey: secretAccessKey,
          SessionToken: sessionToken,
          Expiration: new Date(expires),
        },
      };
    },
  },
});
