/** gRPC reflection, in both of its versions, which differ in their name alone. */
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import { type DescribedFile, describedFiles, type reflection } from '#contracts/rpc';

type Question = reflection.ServerReflectionRequest;
type Answer = NonNullable<reflection.ServerReflectionResponse['messageResponse']>;

const filesByName = new Map(describedFiles.map((file) => [file.name, file]));
const filesBySymbol = new Map(describedFiles.flatMap((file) => file.symbols.map((symbol) => [symbol, file] as const)));

/** @param services full names of what this process serves */
export function reflectionHandlers(services: readonly string[]): reflection.ServerReflectionServer {
  return {
    serverReflectionInfo: (call: ServerDuplexStream<Question, reflection.ServerReflectionResponse>) => {
      call.on('data', (question: Question) => {
        const messageResponse = answerTo(question, services);
        call.write({ validHost: question.host, originalRequest: question, messageResponse });
      });
      call.on('end', () => call.end());
    },
  };
}

function answerTo({ messageRequest }: Question, services: readonly string[]): Answer {
  switch (messageRequest?.$case) {
    case 'listServices':
      return { $case: 'listServicesResponse', value: { service: services.map((name) => ({ name })) } };
    case 'fileByFilename':
      return filesOf(filesByName.get(messageRequest.value), messageRequest.value);
    case 'fileContainingSymbol':
      return filesOf(filesBySymbol.get(messageRequest.value), messageRequest.value);
    case 'fileContainingExtension':
    case 'allExtensionNumbersOfType':
      return refusal(status.NOT_FOUND, 'nothing here is extended');
    case undefined:
      return refusal(status.INVALID_ARGUMENT, 'the question is missing');
  }
}

function filesOf(file: DescribedFile | undefined, name: string): Answer {
  if (file === undefined) return refusal(status.NOT_FOUND, `nothing here is called "${name.slice(0, 200)}"`);
  const all = new Set<DescribedFile>([file]);
  for (const one of all) {
    for (const imported of one.imports) {
      const found = filesByName.get(imported);
      if (found !== undefined) all.add(found);
    }
  }
  const fileDescriptorProto = [...all].map(({ descriptor }) => Buffer.from(descriptor, 'base64'));
  return { $case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

function refusal(errorCode: number, errorMessage: string): Answer {
  return { $case: 'errorResponse', value: { errorCode, errorMessage } };
}
