// Its own types are there only after `npm ci --prefix release`.
declare module 'verdaccio' {
  export function runServer(configuration: object): Promise<import('node:http').Server>;
}
