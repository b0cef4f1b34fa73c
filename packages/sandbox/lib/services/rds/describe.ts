/** The smaller operations: versions, maintenance, tags, and the server's own log. */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type {
  AddTagsToResourceMessage,
  DBEngineVersionMessage,
  DescribeDBEngineVersionsMessage,
  DescribeDBLogFilesMessage,
  DescribeDBLogFilesResponse,
  DownloadDBLogFilePortionDetails,
  DownloadDBLogFilePortionMessage,
  ListTagsForResourceMessage,
  PendingMaintenanceActionsMessage,
  RemoveTagsFromResourceMessage,
  TagListMessage,
} from '@aws-sdk/client-rds';
import { AwsError } from '../../service';
import { page, required } from './checks';
import { type Context, instanceOf, snapshotOf } from './context';
import { Engine } from './engine';
import { invalidValue, parameterGroupNotFound } from './errors';
import { subnetGroupOf } from './subnet-groups';

/** RDS answers at most 1 MB of log at a time. */
const portion = 1_000_000;

export const describeHandlers = (context: Context) => ({
  DescribeDBEngineVersions: (input: DescribeDBEngineVersionsMessage): DBEngineVersionMessage => {
    const all = Engine.all().map(({ version, major }) => ({
      Engine: 'postgres',
      EngineVersion: version,
      MajorEngineVersion: String(major),
      DBParameterGroupFamily: `postgres${major}`,
      DBEngineDescription: 'PostgreSQL',
      DBEngineVersionDescription: `PostgreSQL ${version}`,
      SupportsReadReplica: true,
      Status: 'available',
      ValidUpgradeTarget: [],
    }));
    const kept = all.filter(
      (one) =>
        (input.Engine === undefined || input.Engine === one.Engine) &&
        (input.EngineVersion === undefined || [one.EngineVersion, one.MajorEngineVersion].includes(input.EngineVersion)) &&
        (input.DBParameterGroupFamily === undefined || input.DBParameterGroupFamily === one.DBParameterGroupFamily),
    );
    const { items, Marker } = page(kept, ({ EngineVersion }) => EngineVersion, input);
    return { DBEngineVersions: items, ...(Marker !== undefined && { Marker }) };
  },

  DescribePendingMaintenanceActions: (): PendingMaintenanceActionsMessage => ({ PendingMaintenanceActions: [] }),

  AddTagsToResource: (input: AddTagsToResourceMessage): Record<string, never> => {
    const arn = resource(context, input.ResourceName);
    const tags = new Map((context.records.tags.get(arn)?.tags ?? []).map(({ Key, Value }) => [Key ?? '', Value ?? '']));
    for (const { Key, Value } of input.Tags ?? []) tags.set(required(Key, 'Tag.Key'), Value ?? '');
    context.records.tags.set(arn, { tags: [...tags].map(([Key, Value]) => ({ Key, Value })) });
    return {};
  },

  RemoveTagsFromResource: (input: RemoveTagsFromResourceMessage): Record<string, never> => {
    const arn = resource(context, input.ResourceName);
    const tags = (context.records.tags.get(arn)?.tags ?? []).filter(({ Key }) => !input.TagKeys?.includes(Key ?? ''));
    context.records.tags.set(arn, { tags });
    return {};
  },

  ListTagsForResource: (input: ListTagsForResourceMessage): TagListMessage => ({
    TagList: context.records.tags.get(resource(context, input.ResourceName))?.tags ?? [],
  }),

  DescribeDBLogFiles: (input: DescribeDBLogFilesMessage): DescribeDBLogFilesResponse => {
    const folder = context.engine.logFolder(instanceOf(context, input.DBInstanceIdentifier));
    const files = (existsSync(folder) ? readdirSync(folder) : []).map((name) => {
      const { size, mtimeMs } = statSync(join(folder, name));
      return { LogFileName: `error/${name}`, LastWritten: Math.floor(mtimeMs), Size: size };
    });
    const kept = files.filter(
      ({ LogFileName, LastWritten, Size }) =>
        LogFileName.includes(input.FilenameContains ?? '') && LastWritten >= (input.FileLastWritten ?? 0) && Size >= (input.FileSize ?? 0),
    );
    const { items, Marker } = page(kept, ({ LogFileName }) => LogFileName, input);
    return { DescribeDBLogFiles: items, ...(Marker !== undefined && { Marker }) };
  },

  DownloadDBLogFilePortion: (input: DownloadDBLogFilePortionMessage): DownloadDBLogFilePortionDetails => {
    const instance = instanceOf(context, input.DBInstanceIdentifier);
    const name = required(input.LogFileName, 'LogFileName');
    const file = join(context.engine.logFolder(instance), basename(name));
    // only a name that DescribeDBLogFiles lists is one.
    if (name !== `error/${basename(name)}` || !existsSync(file)) {
      throw new AwsError('DBLogFileNotFoundFault', `DBLog File: ${name}, is not found on the DB instance`, 404);
    }
    return readPortion(file, input);
  },
});

/** With a marker, on from there (`0`: from the beginning); without one, the end of the file. */
function readPortion(file: string, input: DownloadDBLogFilePortionMessage): DownloadDBLogFilePortionDetails {
  const { size } = statSync(file);
  const from = input.Marker === undefined ? Math.max(0, size - portion) : Number(input.Marker);
  if (!Number.isInteger(from) || from < 0) throw invalidValue(`Invalid Marker: ${input.Marker}`);
  const bytes = Buffer.alloc(Math.max(0, Math.min(portion, size - from)));
  const handle = openSync(file, 'r');
  try {
    readSync(handle, bytes, 0, bytes.length, from);
  } finally {
    closeSync(handle);
  }
  const lines = bytes.toString('utf8').split('\n').length - 1;
  if (input.NumberOfLines === undefined || lines <= input.NumberOfLines) {
    return answer(bytes, from + bytes.length, size);
  }
  const wanted = Math.max(0, input.NumberOfLines);
  if (input.Marker !== undefined) {
    const end = nthLine(bytes, wanted);
    return answer(bytes.subarray(0, end), from + end, size);
  }
  const start = nthLine(bytes, lines - wanted);
  return answer(bytes.subarray(start), size, size);
}

const answer = (bytes: Buffer, next: number, size: number): DownloadDBLogFilePortionDetails => ({
  LogFileData: bytes.toString('utf8'),
  Marker: String(next),
  AdditionalDataPending: next < size,
});

/** The position after the n-th line. */
function nthLine(bytes: Buffer, n: number): number {
  let position = 0;
  for (let line = 0; line < n; line++) position = bytes.indexOf(10, position) + 1;
  return position;
}

/** The ARN, when there is such a thing. */
function resource(context: Context, arn: string | undefined): string {
  const [, , service, , , kind, ...rest] = required(arn, 'ResourceName').split(':');
  const name = rest.join(':');
  if (service !== 'rds' || !name) throw invalidValue(`Invalid resource name:${arn}`);
  if (kind === 'db') instanceOf(context, name);
  else if (kind === 'snapshot') snapshotOf(context, name);
  else if (kind === 'subgrp') subnetGroupOf(context, name);
  else if (kind === 'pg') {
    if (!context.records.parameterGroups.has(name)) throw parameterGroupNotFound(name);
  } else throw invalidValue(`Invalid resource name:${arn}`);
  return `${arn}`;
}
