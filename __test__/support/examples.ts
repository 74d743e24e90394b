// The examples in the comments of the contract.

import { source } from './pages.ts';

const CONTRACTS = [
  ['index.d.ts', 'stack-auth-native'],
  ['express.d.ts', 'stack-auth-native/express'],
  ['testing.d.ts', 'stack-auth-native/testing'],
] as const;

/** What the examples take for granted. */
const CONTEXT = `
import type { Express } from 'express';
import type { ExpectStatic } from 'vitest';
interface Context {
  accessToken: string; projectId: string; secretServerKey: string;
  request: Request; response: any; app: Express; stackAuth: StackAuth;
  expect: ExpectStatic; stack: StackAuthStandIn;
}
export async function example({ accessToken, projectId, secretServerKey, expect, ...context }: Context) {
var { request, response, app, stack, stackAuth } = context;
`;

/** Each as a module that has all that it names. */
export async function readExamples() {
  const contracts = await Promise.all(CONTRACTS.map(([file]) => source(file)));
  const imports = contracts.map((text, index) => {
    const exported = text.matchAll(/^export (?:class|function|interface|type) (\w+)/gm);
    const names = [...exported].map(([, name]) => name);
    return `import { ${names.join(', ')} } from '${CONTRACTS[index]?.[1]}';`;
  });
  return contracts.flatMap((text) =>
    [...text.matchAll(/ \* ```ts\n([\s\S]*?) \* ```/g)].map(([, example = '']) => {
      const lines = example.split('\n').map((line) => line.replace(/^ *\* ?/, ''));
      const isImport = (line: string) => line.startsWith('import ');
      const body = lines.filter((line) => !isImport(line));
      return [...imports, ...lines.filter(isImport), CONTEXT, '{', ...body, '}}'].join('\n');
    }),
  );
}
