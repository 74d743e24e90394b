// A native addon is loaded from node_modules, and not put into a bundle.
export default {
  serverExternalPackages: ['stack-auth-native'],
};
