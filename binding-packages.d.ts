declare module '@stack-auth-native/binding-*' {
  const binding: typeof import('./binding.js');
  export = binding;
}
