#!/usr/bin/env bash
# Installs what the tests need on Debian 12 or 13: as root, or through sudo. Starts no service and leaves none running.
# Does nothing, quickly and without the network, when everything is there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
  printf 'tests/install.sh: %s\n' "$*" >&2
  exit 1
}

# nfs-ganesha and libnfs13: a user-space NFS server and the library our NFS source speaks through.
# redis-server: what the cluster shares lies in Redis; the tests run their own servers, on ports of their own.
# swift-*, memcached and keystonemiddleware: OpenStack Swift with s3api, the S3 server apt offers that checks signatures.
packages=(fuse3 rsync attr fio nfs-ganesha nfs-ganesha-vfs libnfs13 rpcbind redis-server
  swift-proxy swift-account swift-container swift-object memcached python3-keystonemiddleware)

missing=()
if command -v dpkg-query >/dev/null; then
  for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
  done
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
else
  fail "this is not a Debian system; install the equivalents of these packages yourself, then run the tests with" \
    "SKIP_INSTALL=1: ${packages[*]} nodejs npm"
fi

if ((${#missing[@]})); then
  as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "needs root to install: ${missing[*]}; run it as root, or install sudo"
    as_root=(sudo)
    # Without a terminal sudo could only wait for a password that nobody types.
    [[ -t 0 ]] || sudo -n true 2>/dev/null || fail "needs root to install: ${missing[*]}; run it as root once"
  fi
  echo "installing ${missing[*]}"

  # invoke-rc.d and deb-systemd-invoke ask this file before they start a service: 101 means "do not".
  guard=/usr/sbin/policy-rc.d
  restore_guard() {
    if [[ -e $guard.datalayer ]]; then "${as_root[@]}" mv "$guard.datalayer" "$guard"; else "${as_root[@]}" rm -f "$guard"; fi
  }
  # A leftover of an interrupted run holds the original: never overwrite it.
  if [[ -e $guard && ! -e $guard.datalayer ]]; then "${as_root[@]}" mv "$guard" "$guard.datalayer"; fi
  trap restore_guard EXIT
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$guard" >/dev/null
  "${as_root[@]}" chmod 755 "$guard"

  log=$(mktemp)
  apt_get() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" \
      >>"$log" 2>&1 </dev/null
  }
  install_missing() { apt_get install -y --no-install-recommends "${missing[@]}"; }
  # A foreign list that cannot be fetched must not stop us: what counts is whether the packages install.
  apt_get update || echo "apt-get update reported errors; going on with the lists there are"
  # A mirror that moved on between update and install answers 404 once: a fresh list cures that.
  install_missing || { apt_get update || true; install_missing; } || {
    tail -n 20 "$log" >&2
    fail "apt-get could not install: ${missing[*]} (full output: $log)"
  }
  rm -f "$log"
  restore_guard
  trap - EXIT
fi

[[ -e /dev/fuse ]] || fail "/dev/fuse is missing: load the fuse kernel module (modprobe fuse), or in a container pass --device /dev/fuse"

command -v dotnet >/dev/null || fail "the .NET 10 SDK is missing: see https://learn.microsoft.com/dotnet/core/install/linux-debian"
dotnet --list-sdks | grep -q '^10\.' ||
  fail "the .NET 10 SDK is missing (found: $(dotnet --list-sdks | cut -d' ' -f1 | paste -sd' ')): see https://learn.microsoft.com/dotnet/core/install/linux-debian"

if ! cmp -s "$here/package-lock.json" "$here/node_modules/.installed-lock.json"; then
  npm ci --prefix "$here" --no-audit --no-fund --loglevel=error || fail "npm ci --prefix tests failed (see above)"
  cp "$here/package-lock.json" "$here/node_modules/.installed-lock.json"
fi

# DuckDB for the Parquet tests. Its package pins its version; a lock file would name builds for other systems, which the
# registry used in CI does not have.
if ! cmp -s "$here/duckdb/package.json" "$here/duckdb/node_modules/.installed-package.json"; then
  npm install --prefix "$here/duckdb" --no-package-lock --no-audit --no-fund --loglevel=error ||
    fail "npm install --prefix tests/duckdb failed (see above)"
  cp "$here/duckdb/package.json" "$here/duckdb/node_modules/.installed-package.json"
fi
