/** AwsJson 1.0 and 1.1: the operation in a header, JSON both ways. */
import { AwsError } from '../service';
import { modelled, type Protocol } from './protocol';

export const json: Protocol = {
  read(model, request) {
    const name = (request.headers['x-amz-target'] ?? '').split('.').at(-1) ?? '';
    const operation = model.operations.get(name);
    if (!operation) throw new AwsError('UnknownOperationException', `The operation ${name} is not valid for this endpoint.`);
    if (request.body.length === 0) return { operation, input: {} };
    return { operation, input: (model.codec?.createDeserializer().read(operation.input, request.body) ?? {}) as Record<string, unknown> };
  },

  write(model, operation, output, requestId) {
    let body: string | Uint8Array = '';
    if (operation.output.isStructSchema() && model.codec) {
      const serializer = model.codec.createSerializer();
      serializer.write(operation.output, output ?? {});
      body = serializer.flush();
    }
    return { status: 200, headers: { 'content-type': model.contentType, 'x-amzn-requestid': requestId }, body };
  },

  fail(model, error, requestId) {
    const { shape, code, status } = modelled(model, error);
    return {
      status,
      headers: {
        'content-type': model.contentType,
        'x-amzn-requestid': requestId,
        'x-amzn-errortype': shape,
        ...(model.queryCompatible ? { 'x-amzn-query-error': `${code};${status < 500 ? 'Sender' : 'Receiver'}` } : {}),
      },
      body: JSON.stringify({ __type: shape, ...error.details, message: error.message, Message: error.message }),
    };
  },
};
