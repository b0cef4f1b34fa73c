/**
 * Every kind of schema change. The order is the one in which a column is asked about (what was declared comes first), and in which their SQL
 * runs on the fallback: names, then columns, then rules, then keys.
 */
import { addedColumn } from './added-column';
import { addedTable } from './added-table';
import { changedTypes } from './changed-types';
import { declaredColumns } from './declared-columns';
import { declaredRows } from './declared-rows';
import { droppedColumn } from './dropped-column';
import { droppedRules } from './dropped-rules';
import { droppedTable } from './dropped-table';
import { enumLabels } from './enum-labels';
import { foreignKeys } from './foreign-keys';
import { generatedColumn } from './generated-column';
import { key } from './key';
import type { Kind } from './kind';
import { largeObjects } from './large-objects';
import { nullable } from './nullable';
import { partitions } from './partitions';
import { renamedColumn } from './renamed-column';
import { renamedTable } from './renamed-table';
import { retypedColumn } from './retyped-column';
import { takenNames } from './taken-names';

export const kinds: readonly Kind[] = [
  droppedTable,
  enumLabels,
  changedTypes,
  addedTable,
  renamedTable,
  takenNames,
  partitions,
  addedColumn,
  declaredColumns,
  declaredRows,
  droppedColumn,
  generatedColumn,
  nullable,
  retypedColumn,
  foreignKeys,
  droppedRules,
  renamedColumn,
  key,
  largeObjects,
];
