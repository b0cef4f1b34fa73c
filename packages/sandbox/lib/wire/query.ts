/** AwsQuery and EC2's dialect of it: a form in, XML out. */
import { XmlShapeSerializer } from '@aws-sdk/core/protocols';
import type { NormalizedSchema } from '@smithy/core/schema';
import { AwsError } from '../service';
import { type Model, structNamed } from './model';
import { modelled, notServed, type Protocol } from './protocol';
import { escapeXml } from './xml';

interface Field {
  value?: string;
  readonly fields: Map<string, Field>;
}

export const query: Protocol = {
  read(model, request) {
    const form = new URLSearchParams(request.method === 'GET' ? request.query : request.body.toString('utf8'));
    const name = form.get('Action') ?? '';
    // Classic load balancers sign as the newer ones do, and have operations of the same names.
    if (form.get('Version') !== model.version) throw notServed(`${model.service} ${form.get('Version')}`, name);
    const operation = model.operations.get(name);
    if (!operation) throw new AwsError('InvalidAction', `The action ${name} is not valid for this endpoint.`);
    return { operation, input: readStruct(operation.input, tree(form), isEc2(model)) };
  },

  write(model, operation, output, requestId) {
    const id = escapeXml(requestId);
    if (isEc2(model)) {
      const body = operation.output.isStructSchema()
        ? write(structNamed(operation.output, `${operation.name}Response`), output, model.xmlNamespace)
        : `<${operation.name}Response xmlns="${model.xmlNamespace}"><return>true</return></${operation.name}Response>`;
      // EC2 has the id inside the answer itself, beside its members.
      const xml = body.endsWith('/>') ? body.replace(/\/>$/, `></${operation.name}Response>`) : body;
      return answer(200, xml.replace(/>/, `><requestId>${id}</requestId>`), requestId);
    }
    const result = operation.output.isStructSchema() ? write(structNamed(operation.output, `${operation.name}Result`), output) : '';
    return answer(
      200,
      `<${operation.name}Response xmlns="${model.xmlNamespace}">${result}<ResponseMetadata><RequestId>${id}</RequestId></ResponseMetadata></${operation.name}Response>`,
      requestId,
    );
  },

  fail(model, error, requestId) {
    const { code, status } = modelled(model, error);
    const inner = `<Code>${escapeXml(code)}</Code><Message>${escapeXml(error.message)}</Message>`;
    const xml = isEc2(model)
      ? `<Response><Errors><Error>${inner}</Error></Errors><RequestID>${requestId}</RequestID></Response>`
      : `<ErrorResponse xmlns="${model.xmlNamespace}"><Error><Type>${status < 500 ? 'Sender' : 'Receiver'}</Type>${inner}</Error><RequestId>${requestId}</RequestId></ErrorResponse>`;
    return answer(status, xml, requestId);
  },
};

function isEc2(model: Model): boolean {
  return model.protocol === 'ec2';
}

function write(schema: NormalizedSchema, value: unknown, xmlNamespace?: string): string {
  const serializer = new XmlShapeSerializer({
    timestampFormat: { useTrait: true, default: 5 },
    xmlNamespace: xmlNamespace as string,
  } as never);
  serializer.write(schema, value ?? {});
  return String(serializer.flush());
}

function answer(status: number, xml: string, requestId: string) {
  return {
    status,
    headers: { 'content-type': 'text/xml;charset=utf-8', 'x-amzn-requestid': requestId },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n${xml}`,
  };
}

/** `A.member.1.B=x` as nested fields. */
function tree(form: URLSearchParams): Field {
  const root: Field = { fields: new Map() };
  for (const [key, value] of form) {
    let field = root;
    for (const part of key.split('.')) {
      let next = field.fields.get(part);
      if (!next) {
        next = { fields: new Map() };
        field.fields.set(part, next);
      }
      field = next;
    }
    field.value = value;
  }
  return root;
}

function readStruct(schema: NormalizedSchema, field: Field, ec2: boolean): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  if (!schema.isStructSchema()) return read;
  for (const [name, member] of schema.structIterator()) {
    const inner = field.fields.get(keyOf(name, member, ec2));
    if (inner) read[name] = readValue(member, inner, ec2);
  }
  return read;
}

function keyOf(name: string, member: NormalizedSchema, ec2: boolean): string {
  const traits = member.getMemberTraits() as { xmlName?: string; ec2QueryName?: string };
  if (!ec2) return traits.xmlName ?? name;
  const key = traits.ec2QueryName ?? traits.xmlName ?? name;
  return key.charAt(0).toUpperCase() + key.slice(1);
}

function readValue(schema: NormalizedSchema, field: Field, ec2: boolean): unknown {
  if (schema.isStructSchema()) return readStruct(schema, field, ec2);
  if (schema.isListSchema()) {
    const of = schema.getValueSchema();
    return numbered(field).map((item) => readValue(of, item, ec2));
  }
  if (schema.isMapSchema()) {
    const key = schema.getKeySchema().getMergedTraits().xmlName ?? 'key';
    const of = schema.getValueSchema();
    const value = of.getMergedTraits().xmlName ?? 'value';
    return Object.fromEntries(
      numbered(field).map((entry) => [
        entry.fields.get(key)?.value ?? '',
        readValue(of, entry.fields.get(value) ?? { fields: new Map() }, ec2),
      ]),
    );
  }
  const text = field.value ?? '';
  if (schema.isBooleanSchema()) return text.toLowerCase() === 'true';
  if (schema.isNumericSchema()) return Number(text);
  if (schema.isTimestampSchema()) return new Date(text);
  if (schema.isBlobSchema()) return Buffer.from(text, 'base64');
  return text;
}

/**
 * The items of a list or the entries of a map, in order. They stand below the field itself (flattened, and always in
 * EC2) or one level deeper under `member`, `entry` or the list's own item name.
 */
function numbered(field: Field): Field[] {
  const items = (of: Field) => [...of.fields].filter(([key]) => /^\d+$/.test(key)).sort(([a], [b]) => Number(a) - Number(b));
  const direct = items(field);
  const found = direct.length > 0 ? direct : [...field.fields.values()].flatMap(items);
  return found.map(([, item]) => item);
}
