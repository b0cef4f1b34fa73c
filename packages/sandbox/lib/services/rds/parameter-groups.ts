/** DB parameter groups: values of a family's parameters; static ones take effect at a reboot. */
import type {
  CreateDBParameterGroupMessage,
  CreateDBParameterGroupResult,
  DBParameterGroup,
  DBParameterGroupDetails,
  DBParameterGroupNameMessage,
  DBParameterGroupsMessage,
  DeleteDBParameterGroupMessage,
  DescribeDBParameterGroupsMessage,
  DescribeDBParametersMessage,
  ModifyDBParameterGroupMessage,
  Parameter,
  ResetDBParameterGroupMessage,
} from '@aws-sdk/client-rds';
import { AwsError } from '../../service';
import { identifier, nameOf, page, required } from './checks';
import { type Context, saveTags } from './context';
import { Engine } from './engine';
import { invalidCombination, invalidValue, parameterGroupNotFound } from './errors';
import { catalogOf, checkValue, type KnownParameter, shownParameter } from './parameters';
import type { ParameterGroup } from './records';

export const parameterGroupHandlers = (context: Context) => ({
  CreateDBParameterGroup: (input: CreateDBParameterGroupMessage): CreateDBParameterGroupResult => {
    const name = identifier(input.DBParameterGroupName, 'DBParameterGroupName', 255);
    const family = required(input.DBParameterGroupFamily, 'DBParameterGroupFamily');
    catalogFor(family);
    if (context.records.parameterGroups.has(name)) {
      throw new AwsError('DBParameterGroupAlreadyExists', `Parameter group ${name} already exists`);
    }
    const group = { name, family, description: required(input.Description, 'Description'), values: {} };
    saveTags(context, arnOf(context, group), input.Tags);
    return { DBParameterGroup: shown(context, context.records.parameterGroups.set(name, group)) };
  },

  DescribeDBParameterGroups: (input: DescribeDBParameterGroupsMessage): DBParameterGroupsMessage => {
    makeDefaults(context);
    const all = input.DBParameterGroupName
      ? [parameterGroupOf(context, input.DBParameterGroupName)]
      : context.records.parameterGroups.values();
    const { items, Marker } = page(all, ({ name }) => name, input);
    return { DBParameterGroups: items.map((group) => shown(context, group)), ...(Marker !== undefined && { Marker }) };
  },

  DescribeDBParameters: (input: DescribeDBParametersMessage): DBParameterGroupDetails => {
    const group = parameterGroupOf(context, input.DBParameterGroupName);
    const all = [...catalogFor(group.family).values()].map((parameter) => shownParameter(parameter, group.values[parameter.name]));
    const kept = all.filter(({ Source }) => input.Source === undefined || Source === input.Source);
    const { items, Marker } = page(kept, ({ ParameterName }) => ParameterName ?? '', input);
    return { Parameters: items, ...(Marker !== undefined && { Marker }) };
  },

  ModifyDBParameterGroup: (input: ModifyDBParameterGroupMessage): DBParameterGroupNameMessage => {
    const group = changeable(context, input.DBParameterGroupName);
    const parameters = parametersIn(input.Parameters);
    const catalog = catalogFor(group.family);
    const changes = parameters.map((parameter) => {
      const name = required(parameter.ParameterName, 'ParameterName');
      const value = required(parameter.ParameterValue, 'ParameterValue');
      checkValue(catalog, name, value);
      return { name, value, method: methodFor(catalog, name, parameter.ApplyMethod) };
    });
    for (const { name, value, method } of changes) group.values[name] = { value, method };
    context.records.parameterGroups.set(group.name, group);
    apply(
      context,
      group,
      changes.filter(({ method }) => method === 'immediate').map(({ name }) => name),
    );
    return { DBParameterGroupName: group.name };
  },

  ResetDBParameterGroup: (input: ResetDBParameterGroupMessage): DBParameterGroupNameMessage => {
    const group = changeable(context, input.DBParameterGroupName);
    const catalog = catalogFor(group.family);
    const all = input.ResetAllParameters ?? true;
    if (all && input.Parameters?.length) throw invalidCombination('Parameters cannot be specified when ResetAllParameters is true.');
    const parameters = all
      ? Object.keys(group.values).map((name) => ({ name, method: catalog.get(name)?.type === 'dynamic' ? 'immediate' : 'pending-reboot' }))
      : parametersIn(input.Parameters).map((parameter) => {
          const name = required(parameter.ParameterName, 'ParameterName');
          return { name, method: methodFor(catalog, name, parameter.ApplyMethod) };
        });
    for (const { name } of parameters) delete group.values[name];
    context.records.parameterGroups.set(group.name, group);
    apply(
      context,
      group,
      parameters.filter(({ method }) => method === 'immediate').map(({ name }) => name),
    );
    return { DBParameterGroupName: group.name };
  },

  DeleteDBParameterGroup: (input: DeleteDBParameterGroupMessage): Record<string, never> => {
    const group = parameterGroupOf(context, input.DBParameterGroupName);
    if (isDefault(group.name))
      throw new AwsError('InvalidDBParameterGroupState', `Default DBParameterGroup cannot be deleted: ${group.name}`);
    const users = context.records.instances.values().filter(({ parameterGroup }) => parameterGroup === group.name);
    if (users.length > 0) {
      throw new AwsError(
        'InvalidDBParameterGroupState',
        `One or more database instances are still members of this parameter group ${group.name}, so the group cannot be deleted`,
      );
    }
    context.records.parameterGroups.delete(group.name);
    context.records.tags.delete(arnOf(context, group));
    return {};
  },
});

/** The group of that name, or the version's default group; refused when it is of another family. */
export function groupFor(context: Context, wanted: string | undefined, version: string): ParameterGroup {
  const family = `postgres${version.split('.')[0]}`;
  const group = parameterGroupOf(context, wanted ?? `default.${family}`);
  if (group.family !== family) {
    throw invalidCombination(
      `The parameter group ${group.name} with DBParameterGroupFamily ${group.family} can't be used for this instance. Please use a parameter group with DBParameterGroupFamily ${family}`,
    );
  }
  return group;
}

function parameterGroupOf(context: Context, wanted: string | undefined): ParameterGroup {
  makeDefaults(context);
  const name = nameOf(required(wanted, 'DBParameterGroupName'));
  const group = context.records.parameterGroups.get(name);
  if (!group) throw parameterGroupNotFound(name);
  return group;
}

function changeable(context: Context, name: string | undefined): ParameterGroup {
  const group = parameterGroupOf(context, name);
  if (isDefault(group.name)) throw invalidValue("You can't modify or reset a default DB parameter group.");
  return group;
}

function parametersIn(parameters: readonly Parameter[] | undefined): readonly Parameter[] {
  if (!parameters?.length) throw invalidValue('The parameter Parameters must be provided and must not be blank.');
  if (parameters.length > 20) throw invalidValue(`A maximum of 20 parameters can be changed in one request, not ${parameters.length}`);
  return parameters;
}

function methodFor(catalog: ReadonlyMap<string, KnownParameter>, name: string, method: string | undefined): 'immediate' | 'pending-reboot' {
  const parameter = catalog.get(name);
  if (!parameter) throw invalidValue(`Could not find parameter with name: ${name}`);
  if (method !== 'immediate' && method !== 'pending-reboot') throw invalidValue(`Invalid ApplyMethod for the parameter ${name}: ${method}`);
  if (method === 'immediate' && parameter.type === 'static') {
    throw invalidCombination(`cannot use immediate apply method for static parameter: ${name}`);
  }
  return method;
}

/** The instances of the group read these values now; all others wait for a reboot. */
function apply(context: Context, group: ParameterGroup, names: readonly string[]): void {
  for (const instance of context.records.instances.values()) {
    // an instance that was given the group reads none of it before its first reboot.
    if (instance.parameterGroup !== group.name || instance.applied.group !== group.name || names.length === 0) continue;
    for (const name of names) {
      const value = group.values[name]?.value;
      if (value === undefined) delete instance.applied.values[name];
      else instance.applied.values[name] = value;
    }
    context.records.instances.set(instance.id, instance);
    context.engine.reload(instance);
  }
}

function catalogFor(family: string): ReadonlyMap<string, KnownParameter> {
  const binaries = Engine.find(family.replace(/^postgres/, ''));
  if (!binaries || !family.startsWith('postgres'))
    throw invalidValue(`ParameterGroupFamily ${family} is not a valid parameter group family`);
  return catalogOf(binaries);
}

function makeDefaults(context: Context): void {
  for (const { major } of Engine.all()) {
    const name = `default.postgres${major}`;
    if (context.records.parameterGroups.has(name)) continue;
    context.records.parameterGroups.set(name, {
      name,
      family: `postgres${major}`,
      description: `Default parameter group for postgres${major}`,
      values: {},
    });
  }
}

const isDefault = (name: string): boolean => name.startsWith('default.');

const arnOf = (context: Context, group: { name: string }): string => context.sandbox.arn('rds', `pg:${group.name}`);

const shown = (context: Context, group: ParameterGroup): DBParameterGroup => ({
  DBParameterGroupName: group.name,
  DBParameterGroupFamily: group.family,
  Description: group.description,
  DBParameterGroupArn: arnOf(context, group),
});
