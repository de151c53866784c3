#!/usr/bin/env bash
# Builds both images from a binary that is already there: tools/image.sh BINARY [TAG].
# Without IMAGE_BASE a Debian base is made with debootstrap (root), so that no image registry is needed.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=$1 tag=${2:-mlops-deploy-action}
base=${IMAGE_BASE:-}

if [ -z "$base" ]; then
  base=mlops-deploy-base:debian
  if ! docker image inspect "$base" >/dev/null 2>&1; then
    command -v debootstrap >/dev/null || { echo "set IMAGE_BASE to an image, or install debootstrap" >&2; exit 1; }
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm "$root" >"$root.log"
    # What a slim image leaves out as well: package lists and caches, manuals, translations.
    rm -rf "$root"/var/{cache,lib/apt/lists,log}/* "$root"/usr/share/{doc,man,info,locale,lintian}/*
    tar -C "$root" -c . | docker import - "$base" >/dev/null
  fi
fi

mkdir -p dist
cp "$binary" dist/mlops-deploy
cp "$(command -v uv)" dist/uv
# The classic builder would build every stage, the unused ones too, and need their bases. A newer client has BuildKit
# only as a plugin; Debian's own has it built in.
export DOCKER_BUILDKIT=1
for docker in docker /usr/bin/docker ''; do
  [ -n "$docker" ] || { echo "no docker client with BuildKit here" >&2; exit 1; }
  printf 'FROM scratch\nLABEL probe=1\n' | "$docker" build --quiet - >/dev/null 2>&1 && break
done
for target in full slim; do
  "$docker" build --quiet --network=host --target "$target" --build-arg BASE="$base" --build-arg BINARY=copy \
    --build-arg UV=copy --tag "$tag:$target" .
done

for target in full slim; do
  docker save "$tag:$target" | gzip | wc -c | awk -v name="$tag:$target" '{ printf "%s  %.1f MB compressed\n", name, $1 / 1e6 }'
done
ls -l dist/mlops-deploy | awk '{ printf "mlops-deploy  %.1f MB\n", $5 / 1e6 }'
