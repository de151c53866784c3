#!/usr/bin/env bash
# Runs a command with a Docker engine: the one that answers, or one started by hand for as long as the command takes.
# Where neither can be had the command runs all the same, and says itself what it leaves out.
#
# The engine started here touches no firewall and makes no bridge, so that it also runs in a sandbox; containers then
# use the host's network or none. Its images stay in .cache/docker.
set -euo pipefail
cd "$(dirname "$0")/.."

answers() { docker version >/dev/null 2>&1; }

if answers; then exec "$@"; fi

# A fresh CI machine installs what it lacks; on somebody's laptop nothing is installed unasked.
if [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && ! command -v dockerd >/dev/null && command -v apt-get >/dev/null; then
  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends docker.io) \
    >/dev/null 2>&1 || echo "docker.io could not be installed" >&2
fi
if [ "$(id -u)" != 0 ] || ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
  echo "no Docker engine here, and none can be started" >&2
  exec "$@"
fi

run=$(mktemp -d)
export DOCKER_HOST="unix://$run/docker.sock"
dockerd --iptables=false --bridge=none --host="$DOCKER_HOST" --pidfile="$run/pid" --exec-root="$run/exec" \
  --data-root="$PWD/.cache/docker" >"$run/log" 2>&1 &
engine=$!
# The engine leaves mounts behind: what cannot be removed for them fails nothing.
stop() {
  kill "$engine" 2>/dev/null && wait "$engine" || true
  umount --lazy "$run"/exec/netns/* 2>/dev/null || true
  rm -rf "$run" 2>/dev/null || true
}
trap stop EXIT
for _ in $(seq 150); do
  answers && break
  kill -0 "$engine" 2>/dev/null || { echo "a Docker engine does not start here: $(tail -n 2 "$run/log")" >&2; break; }
  sleep 0.2
done
"$@"
