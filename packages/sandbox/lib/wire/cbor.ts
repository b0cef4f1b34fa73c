/** Smithy RPC v2 with CBOR: what newer versions of the AWS CLI speak to CloudWatch. */
import { CborCodec } from '@smithy/core/cbor';
import { AwsError } from '../service';
import { modelled, type Protocol } from './protocol';

const codec = new CborCodec();
const headers = { 'content-type': 'application/cbor', 'smithy-protocol': 'rpc-v2-cbor' };

export const cbor: Protocol = {
  read(model, request) {
    const name = request.path.split('/operation/')[1] ?? '';
    const operation = model.operations.get(name);
    if (!operation) throw new AwsError('UnknownOperationException', `The operation ${name} is not valid for this endpoint.`);
    if (request.body.length === 0) return { operation, input: {} };
    return { operation, input: codec.createDeserializer().read(operation.input, request.body) as Record<string, unknown> };
  },

  write(_model, operation, output, requestId) {
    const serializer = codec.createSerializer();
    serializer.write(operation.output, output ?? {});
    return { status: 200, headers: { ...headers, 'x-amzn-requestid': requestId }, body: serializer.flush() as Uint8Array };
  },

  fail(model, error, requestId) {
    const { shape, code, status } = modelled(model, error);
    const serializer = codec.createSerializer();
    serializer.write(15, { __type: shape, ...error.details, message: error.message });
    return {
      status,
      headers: { ...headers, 'x-amzn-requestid': requestId, 'x-amzn-query-error': `${code};${status < 500 ? 'Sender' : 'Receiver'}` },
      body: serializer.flush() as Uint8Array,
    };
  },
};
