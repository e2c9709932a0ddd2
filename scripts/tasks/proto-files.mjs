/** What gRPC reflection tells of the proto files, as source text. */

/**
 * @param {Buffer} binary a `google.protobuf.FileDescriptorSet`
 * @param {{ file: object[] }} json the same as JSON
 * @returns {string} TypeScript that exports one record a file
 */
export function describedFiles(binary, json) {
  const messages = filesIn(binary);
  const records = json.file.map((file, i) => ({
    name: file.name,
    imports: file.dependency ?? [],
    symbols: symbolsOf(file),
    descriptor: messages[i].toString('base64'),
  }));
  const type =
    '/** A proto file: `descriptor` is its `google.protobuf.FileDescriptorProto` in base64, `symbols` the full names in it. */\n' +
    'export interface DescribedFile {\n  readonly name: string;\n  readonly imports: readonly string[];\n' +
    '  readonly symbols: readonly string[];\n  readonly descriptor: string;\n}\n';
  return `${type}\nexport const describedFiles: readonly DescribedFile[] = ${JSON.stringify(records, null, 2)};\n`;
}

/** The elements of the set's only field, `repeated FileDescriptorProto file = 1`. */
function filesIn(binary) {
  const files = [];
  let at = 0;
  while (at < binary.length) {
    if (binary[at++] !== 0x0a) throw new Error('the image holds more than files');
    let [length, shift, byte] = [0, 1, 0x80];
    while (byte >= 0x80) {
      byte = binary[at++];
      length += (byte % 0x80) * shift;
      shift *= 0x80;
    }
    files.push(binary.subarray(at, at + length));
    at += length;
  }
  return files;
}

function symbolsOf(file) {
  const inside = (scope, { messageType = [], nestedType = [], enumType = [], service = [], method = [] }) => {
    return [...messageType, ...nestedType, ...enumType, ...service, ...method].flatMap((one) => {
      const name = `${scope}.${one.name}`;
      return [name, ...inside(name, one)];
    });
  };
  return inside(file.package, file);
}
