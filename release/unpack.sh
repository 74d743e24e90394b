#!/usr/bin/env bash
# release/unpack.sh <platform>: a project in app/ with what is in packed/, as it is installed on a platform.
set -euo pipefail
platform=$1
modules=app/node_modules
unpack() {
  mkdir -p "$modules/$2"
  tar -xzf "$1" -C "$modules/$2" --strip-components=1
}
unpack packed/stack-auth-native-binding-"$platform"-[0-9]*.tgz "@stack-auth-native/binding-$platform"
unpack packed/stack-auth-native-[0-9]*.tgz stack-auth-native
# Without one of its own, it would belong to the package that this folder is in.
echo '{ "private": true }' > app/package.json
cp release/smoke.cjs app
