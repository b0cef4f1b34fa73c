/** Systems Manager's Parameter Store: names in a hierarchy, versions, tiers and their limits. */
import { createHash } from 'node:crypto';
import type {
  AddTagsToResourceRequest,
  DeleteParametersRequest,
  DeleteParametersResult,
  DescribeParametersRequest,
  DescribeParametersResult,
  GetParameterHistoryRequest,
  GetParameterHistoryResult,
  GetParameterRequest,
  GetParameterResult,
  GetParametersByPathRequest,
  GetParametersByPathResult,
  GetParametersRequest,
  GetParametersResult,
  ListTagsForResourceResult,
  Parameter,
  ParameterStringFilter,
  PutParameterRequest,
  PutParameterResult,
} from '@aws-sdk/client-ssm';
import { AwsError, type Sandbox, type Service } from '../service';

type Type = NonNullable<Parameter['Type']>;
type Tier = 'Standard' | 'Advanced';

interface Version {
  Version: number;
  Value: string;
  Type: Type;
  LastModifiedDate: Date;
  Description?: string | undefined;
  Tier: Tier;
}

interface Row {
  name: string;
  /** Oldest first; AWS keeps a hundred. */
  versions: Version[];
  tags: Record<string, string>;
}

const LIMITS: Record<Tier, number> = { Standard: 4096, Advanced: 8192 };

export const ssm = (sandbox: Sandbox): Service => {
  const parameters = sandbox.table<Row>('ssm.parameters');

  const arnOf = (name: string): string => sandbox.arn('ssm', `parameter${name.startsWith('/') ? '' : '/'}${name}`);

  const rowOf = (name: string): Row => {
    const row = parameters.get(nameOf(name));
    if (!row) throw new AwsError('ParameterNotFound', `Parameter ${name} not found.`);
    return row;
  };

  const answered = (row: Row, version: Version, decrypted: boolean | undefined): Parameter => ({
    Name: row.name,
    ARN: arnOf(row.name),
    Type: version.Type,
    // a reader who does not ask for the text of a secret gets something else, not nothing.
    Value: version.Type === 'SecureString' && !decrypted ? createHash('sha256').update(version.Value).digest('base64') : version.Value,
    Version: version.Version,
    LastModifiedDate: version.LastModifiedDate,
    DataType: 'text',
  });

  /** `name`, `name:3`, or an ARN of either. */
  const read = (asked: string, decrypted: boolean | undefined): Parameter => {
    const [, name = asked, number] = /^(.*?):(\d+)$/.exec(nameOf(asked)) ?? [];
    const row = rowOf(name);
    const version = number ? row.versions.find((one) => one.Version === Number(number)) : row.versions.at(-1);
    if (!version) throw new AwsError('ParameterVersionNotFound', `Parameter ${name} has no version ${number}.`);
    return { ...answered(row, version, decrypted), ...(number ? { Selector: `:${number}` } : {}) };
  };

  const sorted = (): Row[] => parameters.values().sort((a, b) => (a.name < b.name ? -1 : 1));

  return {
    client: 'client-ssm',
    handlers: {
      PutParameter: (input: PutParameterRequest): PutParameterResult => {
        const name = nameOf(input.Name ?? '');
        checkName(name);
        const row = parameters.get(name);
        const current = row?.versions.at(-1);
        if (current && !input.Overwrite) {
          throw new AwsError(
            'ParameterAlreadyExists',
            `The parameter already exists. To overwrite this value, set the overwrite option in the request to true. (${name})`,
          );
        }
        if (row && input.Tags?.length) {
          throw new AwsError('ValidationException', "Invalid request: tags and overwrite can't be used together.");
        }
        const type = input.Type ?? current?.Type;
        if (!type) throw new AwsError('ValidationException', 'A parameter type is required when you create a parameter.');
        if (current && current.Type !== type) {
          throw new AwsError('HierarchyTypeMismatchException', `Parameter ${name} is a ${current.Type} and cannot become a ${type}.`);
        }
        const tier = tierOf(input, current?.Tier);
        const version: Version = {
          Version: (current?.Version ?? 0) + 1,
          Value: input.Value ?? '',
          Type: type,
          Tier: tier,
          Description: input.Description ?? current?.Description,
          LastModifiedDate: new Date(),
        };
        const tags = row?.tags ?? Object.fromEntries((input.Tags ?? []).map(({ Key, Value }) => [Key, Value]));
        parameters.set(name, { name, versions: [...(row?.versions ?? []), version].slice(-100), tags });
        return { Version: version.Version, Tier: tier };
      },

      GetParameter: (input: GetParameterRequest): GetParameterResult => ({ Parameter: read(input.Name ?? '', input.WithDecryption) }),

      GetParameters: (input: GetParametersRequest): GetParametersResult => {
        const names = input.Names ?? [];
        if (names.length > 10) throw new AwsError('ValidationException', `At most 10 names can be asked for at once, not ${names.length}.`);
        const Parameters: Parameter[] = [];
        const InvalidParameters: string[] = [];
        for (const name of new Set(names)) {
          try {
            Parameters.push(read(name, input.WithDecryption));
          } catch {
            InvalidParameters.push(name);
          }
        }
        return { Parameters, InvalidParameters };
      },

      GetParametersByPath: (input: GetParametersByPathRequest): GetParametersByPathResult => {
        if (input.ParameterFilters?.length) {
          throw new AwsError('NotServedBySandbox', 'The sandbox does not serve GetParametersByPath with ParameterFilters.');
        }
        const path = `${(input.Path ?? '').replace(/\/$/, '')}/`;
        if (!path.startsWith('/')) throw new AwsError('ValidationException', `The path must begin with a slash: ${input.Path}`);
        const found = sorted().filter(({ name }) => name.startsWith(path) && (input.Recursive || !name.slice(path.length).includes('/')));
        const { page, NextToken } = paged(found, input, 10);
        return { Parameters: page.map((row) => answered(row, row.versions.at(-1)!, input.WithDecryption)), NextToken };
      },

      GetParameterHistory: (input: GetParameterHistoryRequest): GetParameterHistoryResult => {
        const row = rowOf(input.Name ?? '');
        const { page, NextToken } = paged(row.versions, input, 50);
        const Parameters = page.map((version) => {
          const { ARN: _, ...parameter } = answered(row, version, input.WithDecryption);
          return { ...parameter, Description: version.Description, Tier: version.Tier };
        });
        return { Parameters, NextToken };
      },

      DescribeParameters: (input: DescribeParametersRequest): DescribeParametersResult => {
        const filters = [
          ...(input.ParameterFilters ?? []),
          ...(input.Filters ?? []).map(({ Key, Values }) => ({ Key: Key!, Values: Values! })),
        ];
        const found = sorted().filter((row) => filters.every((filter) => matches(row, filter)));
        const { page, NextToken } = paged(found, input, 50);
        const Parameters = page.map((row) => {
          const { Value: _, ...version } = row.versions.at(-1)!;
          return { ...version, Name: row.name, ARN: arnOf(row.name), DataType: 'text' };
        });
        return { Parameters, NextToken };
      },

      DeleteParameter: (input: { Name: string }) => parameters.delete(rowOf(input.Name).name),

      DeleteParameters: (input: DeleteParametersRequest): DeleteParametersResult => {
        const [DeletedParameters, InvalidParameters]: string[][] = [[], []];
        for (const name of input.Names ?? []) (parameters.has(name) ? DeletedParameters : InvalidParameters)!.push(name);
        for (const name of DeletedParameters!) parameters.delete(name);
        return { DeletedParameters, InvalidParameters };
      },

      AddTagsToResource: (input: AddTagsToResourceRequest) => {
        const row = rowOf(input.ResourceId ?? '');
        for (const { Key, Value } of input.Tags ?? []) row.tags[Key ?? ''] = Value ?? '';
        parameters.set(row.name, row);
      },

      RemoveTagsFromResource: (input: { ResourceId: string; TagKeys?: string[] }) => {
        const row = rowOf(input.ResourceId);
        for (const key of input.TagKeys ?? []) delete row.tags[key];
        parameters.set(row.name, row);
      },

      ListTagsForResource: (input: { ResourceId: string }): ListTagsForResourceResult => ({
        TagList: Object.entries(rowOf(input.ResourceId).tags).map(([Key, Value]) => ({ Key, Value })),
      }),
    },
  };
};

function nameOf(asked: string): string {
  return /^arn:aws:ssm:[^:]*:[^:]*:parameter(\/.*)$/.exec(asked)?.[1] ?? asked;
}

function checkName(name: string): void {
  if (!/^[\w.\-/]+$/.test(name) || name.length > 2048) {
    throw new AwsError('ValidationException', `Parameter name: can't contain other characters than letters, digits and .-_/ (${name})`);
  }
  if (name.includes('/') && !name.startsWith('/')) {
    throw new AwsError('ValidationException', `Parameter name must be a fully qualified name: ${name} needs a slash in front.`);
  }
  if (/^\/?(aws|ssm)/i.test(name)) {
    throw new AwsError('ValidationException', `Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive): ${name}`);
  }
  if (name.split('/').length > 16) {
    throw new AwsError('HierarchyLevelLimitExceededException', `Parameter ${name} has more than 15 levels.`);
  }
}

function tierOf(input: PutParameterRequest, before: Tier | undefined): Tier {
  const size = Buffer.byteLength(input.Value ?? '');
  if (size === 0) throw new AwsError('ValidationException', 'The value of a parameter must have at least one character.');
  const asked = input.Tier === 'Intelligent-Tiering' ? (size > LIMITS.Standard ? 'Advanced' : undefined) : input.Tier;
  const tier = asked ?? before ?? 'Standard';
  if (before === 'Advanced' && tier === 'Standard') {
    throw new AwsError(
      'ValidationException',
      "You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier.",
    );
  }
  if (size > LIMITS[tier]) {
    const hint =
      tier === 'Standard' ? ' To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.' : '';
    throw new AwsError(
      'ValidationException',
      `${tier} tier parameters support a maximum parameter value of ${LIMITS[tier]} characters.${hint}`,
    );
  }
  return tier;
}

function matches(row: Row, { Key, Option = 'Equals', Values = [] }: ParameterStringFilter): boolean {
  const current = row.versions.at(-1)!;
  if (Key === 'Path') {
    const below = (path: string): string | undefined =>
      row.name.startsWith(`${path.replace(/\/$/, '')}/`) ? row.name.slice(path.replace(/\/$/, '').length + 1) : undefined;
    return Values.some((path) => below(path) !== undefined && (Option === 'Recursive' || !below(path)!.includes('/')));
  }
  const subject =
    Key === 'Name' ? row.name : Key === 'Type' ? current.Type : Key === 'Tier' ? current.Tier : row.tags[(Key ?? '').replace(/^tag:/, '')];
  if (subject === undefined) return false;
  if (Option === 'BeginsWith') return Values.some((value) => subject.startsWith(value));
  if (Option === 'Contains') return Values.some((value) => subject.includes(value));
  return Values.includes(subject);
}

function paged<T>(all: readonly T[], input: { MaxResults?: number | undefined; NextToken?: string | undefined }, most: number) {
  const size = input.MaxResults ?? most;
  if (size < 1 || size > most) throw new AwsError('ValidationException', `MaxResults must be between 1 and ${most}, not ${size}.`);
  const from = input.NextToken ? Number(input.NextToken) : 0;
  if (!Number.isInteger(from)) throw new AwsError('InvalidNextToken', 'The specified token is not valid.');
  return { page: all.slice(from, from + size), NextToken: from + size < all.length ? String(from + size) : undefined };
}
