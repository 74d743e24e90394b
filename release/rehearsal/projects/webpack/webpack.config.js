// What Next.js makes of `serverExternalPackages`: a require() of the name as it stands, from node_modules.
module.exports = {
  mode: 'production',
  target: 'node20',
  entry: './check.js',
  externals: [
    ({ request }, callback) =>
      /^stack-auth-native(\/|$)/.test(request) ? callback(null, `commonjs ${request}`) : callback(),
  ],
};
