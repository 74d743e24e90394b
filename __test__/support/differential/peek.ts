/** What a lenient reader finds in a token, be it good or not. */
export function peek(token: string): { header: any; claims: any } {
  const [header = {}, claims = {}] = token.split('.').map((part) => {
    try {
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(decode(part))) ?? {};
    } catch {
      return {};
    }
  });
  return { header, claims };
}

export function decode(part: string) {
  return Buffer.from(part, 'base64url');
}
