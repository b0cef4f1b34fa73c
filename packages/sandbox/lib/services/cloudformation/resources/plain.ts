/** Small services: S3, SSM, Secrets Manager, IAM, Logs, CloudWatch, and types that are only remembered. */
import { randomUUID } from 'node:crypto';
import type { Properties } from '../records';
import { changed, gone, inert, type ResourceCall, type ResourceType } from '../type';

const json = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

// ---- SSM

const parameter: ResourceType = {
  createOnly: ['Name'],
  async create(properties, call) {
    const id = properties['Name'] ?? call.name(1000);
    await call.send('ssm', 'PutParameter', { ...properties, Name: id, Tags: tagMap(properties, call) });
    return { id, attributes: { Type: properties['Type'], Value: call.stored['Value'], Name: id } };
  },
  async update(properties, call, { id }) {
    await call.send('ssm', 'PutParameter', { ...properties, Name: id, Tags: undefined, Overwrite: true });
    return { id, attributes: { Type: properties['Type'], Value: call.stored['Value'], Name: id } };
  },
  delete: (call, { id }) => gone(call.send('ssm', 'DeleteParameter', { Name: id })),
};

// SSM parameters take their tags as a map in templates and as a list in the API.
const tagMap = (properties: Properties, call: ResourceCall): unknown =>
  call.tags(Object.entries((properties['Tags'] ?? {}) as Record<string, string>).map(([Key, Value]) => ({ Key, Value })));

// ---- Secrets Manager

async function secretString(properties: Properties, call: ResourceCall): Promise<string | undefined> {
  const generate = properties['GenerateSecretString'] as Properties | undefined;
  if (!generate) return properties['SecretString'];
  const { RandomPassword: password } = await call.send('secretsmanager', 'GetRandomPassword', generate);
  const template = generate['SecretStringTemplate'];
  return template ? JSON.stringify({ ...JSON.parse(template), [generate['GenerateStringKey']]: password }) : password;
}

const secret: ResourceType = {
  createOnly: ['Name'],
  async create(properties, call) {
    const answer = await call.send('secretsmanager', 'CreateSecret', {
      Name: properties['Name'] ?? call.name(255),
      Description: properties['Description'],
      KmsKeyId: properties['KmsKeyId'],
      SecretString: await secretString(properties, call),
      Tags: call.tags(properties['Tags']),
    });
    return { id: answer.ARN, attributes: { Id: answer.ARN, Arn: answer.ARN } };
  },
  // the value is generated again only when the way it is generated changes.
  async update(properties, call, made, before) {
    const value = changed(before, properties, 'GenerateSecretString', 'SecretString') ? await secretString(properties, call) : undefined;
    await call.send('secretsmanager', 'UpdateSecret', {
      SecretId: made.id,
      Description: properties['Description'],
      KmsKeyId: properties['KmsKeyId'],
      ...(value === undefined ? {} : { SecretString: value }),
    });
    return made;
  },
  delete: (call, { id }) => gone(call.send('secretsmanager', 'DeleteSecret', { SecretId: id, ForceDeleteWithoutRecovery: true })),
};

async function attach(properties: Properties, call: ResourceCall): Promise<string> {
  if (properties['TargetType'] !== 'AWS::RDS::DBInstance')
    throw Object.assign(new Error(`the sandbox attaches secrets to AWS::RDS::DBInstance only, not to ${properties['TargetType']}`), {
      name: 'InvalidRequest',
    });
  const { SecretId: id, TargetId: target } = properties;
  const current = await call.send('secretsmanager', 'GetSecretValue', { SecretId: id });
  const [instance] = (await call.send('rds', 'DescribeDBInstances', { DBInstanceIdentifier: target })).DBInstances;
  const value = {
    ...JSON.parse(current.SecretString),
    engine: instance.Engine,
    host: instance.Endpoint?.Address,
    port: instance.Endpoint?.Port,
    ...(instance.DBName ? { dbname: instance.DBName } : {}),
    dbInstanceIdentifier: instance.DBInstanceIdentifier,
  };
  await call.send('secretsmanager', 'PutSecretValue', { SecretId: id, SecretString: JSON.stringify(value) });
  return current.ARN;
}

const attachment: ResourceType = {
  createOnly: ['SecretId'],
  async create(properties, call) {
    const id = await attach(properties, call);
    return { id, attributes: { Id: id } };
  },
  async update(properties, call, made) {
    await attach(properties, call);
    return made;
  },
  async delete() {},
};

// ---- S3

const bucketSettings: Readonly<Record<string, readonly [operation: string, input: string]>> = {
  VersioningConfiguration: ['PutBucketVersioning', 'VersioningConfiguration'],
  BucketEncryption: ['PutBucketEncryption', 'ServerSideEncryptionConfiguration'],
  PublicAccessBlockConfiguration: ['PutPublicAccessBlock', 'PublicAccessBlockConfiguration'],
};

async function settings(id: string, properties: Properties, before: Properties, call: ResourceCall): Promise<void> {
  for (const [name, [operation, input]] of Object.entries(bucketSettings)) {
    if (properties[name] === undefined || !changed(before, properties, name)) continue;
    const value =
      name === 'BucketEncryption'
        ? {
            Rules: properties[name].ServerSideEncryptionConfiguration.map((rule: Properties) => ({
              ApplyServerSideEncryptionByDefault: rule['ServerSideEncryptionByDefault'],
              BucketKeyEnabled: rule['BucketKeyEnabled'],
            })),
          }
        : properties[name];
    await optional(call.send('s3', operation, { Bucket: id, [input]: value }));
  }
}

/** Settings that change nothing here: a service of the sandbox may not keep them. */
async function optional(action: Promise<unknown>): Promise<void> {
  await action.catch((error: Error) => {
    if (error.name !== 'NotServedBySandbox') throw error;
  });
}

const bucket: ResourceType = {
  createOnly: ['BucketName', 'ObjectLockEnabled'],
  async create(properties, call) {
    const id = properties['BucketName'] ?? call.name(63).toLowerCase();
    await call.send('s3', 'CreateBucket', { Bucket: id });
    call.started(id);
    await settings(id, properties, {}, call);
    const { region } = call.sandbox;
    return {
      id,
      attributes: {
        Arn: `arn:aws:s3:::${id}`,
        DomainName: `${id}.s3.amazonaws.com`,
        RegionalDomainName: `${id}.s3.${region}.amazonaws.com`,
        DualStackDomainName: `${id}.s3.dualstack.${region}.amazonaws.com`,
        WebsiteURL: `http://${id}.s3-website.${region}.amazonaws.com`,
      },
    };
  },
  async update(properties, call, made, before) {
    await settings(made.id, properties, before, call);
    return made;
  },
  delete: (call, { id }) => gone(call.send('s3', 'DeleteBucket', { Bucket: id })),
};

const bucketPolicy: ResourceType = {
  createOnly: ['Bucket'],
  async create(properties, call) {
    await optional(call.send('s3', 'PutBucketPolicy', { Bucket: properties['Bucket'], Policy: json(properties['PolicyDocument']) }));
    return { id: properties['Bucket'] };
  },
  async update(properties, call, made) {
    await optional(call.send('s3', 'PutBucketPolicy', { Bucket: properties['Bucket'], Policy: json(properties['PolicyDocument']) }));
    return made;
  },
  delete: (call, { id }) => gone(call.send('s3', 'DeleteBucketPolicy', { Bucket: id }), 'NotServedBySandbox'),
};

// ---- Logs, CloudWatch

const logGroup: ResourceType = {
  createOnly: ['LogGroupName'],
  async create(properties, call) {
    const id = properties['LogGroupName'] ?? call.name(512);
    await call.send('logs', 'CreateLogGroup', { LogGroupName: id });
    call.started(id);
    await retention(id, properties, call);
    return { id, attributes: { Arn: `${call.sandbox.arn('logs', `log-group:${id}`)}:*` } };
  },
  async update(properties, call, made) {
    await retention(made.id, properties, call);
    return made;
  },
  delete: (call, { id }) => gone(call.send('logs', 'DeleteLogGroup', { LogGroupName: id })),
};

async function retention(id: string, properties: Properties, call: ResourceCall): Promise<void> {
  const days = properties['RetentionInDays'];
  if (days !== undefined) await optional(call.send('logs', 'PutRetentionPolicy', { LogGroupName: id, RetentionInDays: days }));
}

const alarm: ResourceType = {
  createOnly: ['AlarmName'],
  async create(properties, call) {
    const id = properties['AlarmName'] ?? call.name(255);
    await call.send('cloudwatch', 'PutMetricAlarm', { ...properties, AlarmName: id, Tags: undefined });
    return { id, attributes: { Arn: call.sandbox.arn('cloudwatch', `alarm:${id}`) } };
  },
  async update(properties, call, made) {
    await call.send('cloudwatch', 'PutMetricAlarm', { ...properties, AlarmName: made.id, Tags: undefined });
    return made;
  },
  delete: (call, { id }) => gone(call.send('cloudwatch', 'DeleteAlarms', { AlarmNames: [id] })),
};

const dashboard = inert((properties, call) => ({ id: properties['DashboardName'] ?? call.name(255) }), ['DashboardName']);

// ---- Remembered only

const metadata: Readonly<Record<string, ResourceType>> = {
  'AWS::KMS::Key': inert((_properties, call) => {
    const id = randomUUID();
    return { id, attributes: { KeyId: id, Arn: call.sandbox.arn('kms', `key/${id}`) } };
  }),
  'AWS::KMS::Alias': inert((properties) => ({ id: properties['AliasName'] }), ['AliasName']),
  'AWS::ECR::Repository': inert(
    (properties, call) => {
      const id = properties['RepositoryName'] ?? call.name(256).toLowerCase();
      const { account, region } = call.sandbox;
      return {
        id,
        attributes: { Arn: call.sandbox.arn('ecr', `repository/${id}`), RepositoryUri: `${account}.dkr.ecr.${region}.amazonaws.com/${id}` },
      };
    },
    ['RepositoryName', 'EncryptionConfiguration'],
  ),
  'AWS::SNS::Topic': inert(
    (properties, call) => {
      const name = properties['TopicName'] ?? call.name(256);
      const arn = call.sandbox.arn('sns', name);
      return { id: arn, attributes: { TopicArn: arn, TopicName: name } };
    },
    ['TopicName', 'FifoTopic'],
  ),
  'AWS::CDK::Metadata': inert((_properties, call) => ({ id: call.name(128) })),
  'AWS::CloudFormation::WaitConditionHandle': inert((_properties, call) => ({
    id: `${call.endpoint}/cloudformation-waitcondition/${call.name(128)}`,
  })),
};

export const plainTypes: Readonly<Record<string, ResourceType>> = {
  'AWS::SSM::Parameter': parameter,
  'AWS::SecretsManager::Secret': secret,
  'AWS::SecretsManager::SecretTargetAttachment': attachment,
  'AWS::SecretsManager::ResourcePolicy': inert(
    (properties) => ({ id: properties['SecretId'], attributes: { Id: properties['SecretId'] } }),
    ['SecretId'],
  ),
  'AWS::S3::Bucket': bucket,
  'AWS::S3::BucketPolicy': bucketPolicy,
  'AWS::Logs::LogGroup': logGroup,
  'AWS::CloudWatch::Alarm': alarm,
  'AWS::CloudWatch::Dashboard': dashboard,
  ...metadata,
};
