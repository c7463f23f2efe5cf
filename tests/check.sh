#!/usr/bin/env bash
# Installs what the tests need, checks the format, builds, and runs the tests. The last line is "N passed, N failed, N skipped".
#   tests/check.sh        all tests but those marked [Trait("Length", "long")]
#   tests/check.sh long   only those
#   tests/check.sh parquet-corpus PATH       reads a checkout of apache/parquet-testing; counts what is read and what refused
#   tests/check.sh parquet-fuzz [MINUTES]    reads a million damaged Parquet files, or as many as that time allows
# SKIP_INSTALL=1 leaves the installation out. With CI=true restore keeps to the lock files, and a skipped test is a failure.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# Longest time for one test project: a hang becomes a failure that names the project.
project_limit=600
filter='Length!=long'
projects=tests/*.Tests/*.csproj verbosity=minimal
tabular=tests/DataLayer.Formats.Tabular.Tests/DataLayer.Formats.Tabular.Tests.csproj
usage() {
  echo "usage: tests/check.sh [long | parquet-corpus PATH | parquet-fuzz [MINUTES]]" >&2
  exit 2
}
case ${1-} in
  '') ;;
  long) filter='Length=long' project_limit=5400 ;;
  parquet-corpus)
    [[ -d ${2-}/data && -d ${2-}/bad_data ]] || usage
    PARQUET_TESTING=$(realpath "$2")
    export PARQUET_TESTING
    projects=$tabular verbosity=detailed filter='FullyQualifiedName~CorpusTests' ;;
  parquet-fuzz)
    [[ ${2-1} =~ ^[0-9]+$ ]] || usage
    if [[ ${2-} ]]; then export TABULAR_FUZZ_MINUTES=$2; fi
    projects=$tabular verbosity=detailed filter='FullyQualifiedName~A_million_damaged_files' project_limit=5400 ;;
  *) usage ;;
esac

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
# Build servers would outlive this script.
export MSBUILDDISABLENODEREUSE=1
passed=0 failed=0 skipped=0
started=$SECONDS

# The counts come last whatever happens; a step that failed before any test ran is itself the failure.
finish() {
  printf 'total time %d min %d s\n' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60))
  if ((passed + failed == 0)); then echo "no test ran"; fi
  if ((skipped)) && [[ ${CI-} == true ]]; then echo "skipped tests count as failures in CI"; fi
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  if ((failed || passed == 0)) || { ((skipped)) && [[ ${CI-} == true ]]; }; then exit 1; fi
  exit 0
}

# step NAME COMMAND...: runs it, prints its time, and its output only when it fails.
step() {
  local name=$1 from=$SECONDS output
  shift
  if output=$("$@" 2>&1 </dev/null); then
    printf '%-40s %4d s\n' "$name" $((SECONDS - from))
  else
    printf '%s\n%s: failed after %d s\n' "$output" "$name" $((SECONDS - from))
    ((++failed))
    finish
  fi
}

[[ ${SKIP_INSTALL-} == 1 ]] || step "install" tests/install.sh
locked=()
[[ ${CI-} == true ]] && locked=(--locked-mode)
step "restore" dotnet restore DataLayer.sln "${locked[@]}"
# Style rules are compiler warnings here, and those are errors in the build: only whitespace needs a run of its own,
# and over the folder it takes seconds where loading the solution takes minutes.
step "format" dotnet format whitespace . --folder --verify-no-changes
step "build" dotnet build DataLayer.sln -c Release --no-restore -p:UseSharedCompilation=false

# Everything a test leaves behind is found by these two: scratch files live under this folder, processes carry this mark.
scratch=$(mktemp -d /tmp/dl-check.XXXXXX)
# Some tests mount and read as another user, who must get through here.
chmod 711 "$scratch"
mark=DATALAYER_CHECK=$$-$started-$RANDOM
mounts_left() { awk -v root="$scratch/" 'index($5, root) == 1 { print $5 }' /proc/self/mountinfo | sort -r; }
processes_left() { grep -lzxF -- "$mark" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3; }
clean_up() {
  local pid mount
  for pid in $(processes_left); do kill -9 "$pid" 2>/dev/null; done
  for mount in $(mounts_left); do umount -l "$mount" 2>/dev/null || fusermount3 -uz "$mount" 2>/dev/null; done
  rm -rf --one-file-system "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# outcomes FILE: one word per test result of a .trx file. Its own counters leave skipped tests out.
outcomes() { grep -o '<UnitTestResult [^>]*>' "$1" | grep -o ' outcome="[A-Za-z]*"' | cut -d'"' -f2; }

# run_project FOLDER: one project at a time, since mounts and servers on two cores disturb each other.
run_project() {
  local folder=$1 name from=$SECONDS log results code good=0 bad=0 left=0 word
  name=$(basename "$folder")
  log=$scratch/$name.log results=$scratch/$name.trx
  env "$mark" TMPDIR="$scratch" timeout --kill-after=20 "$project_limit" \
    dotnet test "$folder/bin/Release/net10.0/$name.dll" --filter "$filter" --results-directory "$scratch" \
    --logger "trx;LogFileName=$name.trx" --logger "console;verbosity=$verbosity" >"$log" 2>&1 </dev/null
  code=$?
  if [[ -f $results ]]; then
    while read -r word; do
      case $word in
        Passed) ((++good)) ;;
        NotExecuted) ((++left)) ;;
        *) ((++bad)) ;;
      esac
    done < <(outcomes "$results")
  fi
  local why=
  if ((code == 124 || code == 137)); then why="stopped after $project_limit s"
  elif ((code != 0 && bad == 0)); then why="the test host failed with exit code $code"
  elif ((good + bad + left == 0)) && [[ $filter == 'Length!=long' ]]; then why="has no test"; fi
  if [[ $why ]]; then ((++bad)); fi
  ((passed += good, failed += bad, skipped += left))
  printf '%-40s %4d s  %d of %d%s\n' "$name" $((SECONDS - from)) "$good" $((good + bad + left)) "${why:+: $why}"
  if ((bad)) || [[ $verbosity == detailed ]]; then cat "$log"; elif ((left)); then grep -F '[SKIP]' "$log"; fi
}

# shellcheck disable=SC2086 # a pattern
for project in $projects; do run_project "$(dirname "$project")"; done

# Children of the last test may still be on their way out.
for _ in 1 2 3 4 5 6 7 8 9 10; do [[ $(processes_left) ]] || break; sleep 0.2; done
for pid in $(processes_left); do
  echo "left behind: process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
  ((++failed))
done
for mount in $(mounts_left); do
  echo "left behind: mount $mount"
  ((++failed))
done
finish
