#!/bin/sh
# Deletes from a built checkout everything that the service in folder $1 does not need to run. For the Dockerfiles.
set -eu
folder=$1
[ -d "$folder" ] || { echo "keep-runtime.sh: there is no folder $folder" >&2; exit 1; }

for app in apps/*; do
  [ "$app" = "$folder" ] || rm -rf "$app"
done
rm -rf .git .turbo bench e2e "$folder/src"
# The pages about problems are served; the rest of the documentation is read elsewhere.
find docs -mindepth 1 -maxdepth 1 ! -name errors -exec rm -rf {} +
[ "$folder" = scripts ] || rm -rf scripts
# A package that no install linked is used by nobody here.
for package in packages/*; do
  rm -rf "$package/src" "$package/.turbo"
done
