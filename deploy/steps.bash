# For sourcing by the commands: a line of progress for each step, and what every build has in common.

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
logs=$project/build/log
# shellcheck disable=SC2034  # for those who source this
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ticketing-user
step_log=  # of the step that ran last
mkdir -p "$logs"

# Another clone, in another folder, finds what was compiled here.
export CCACHE_BASEDIR=$project CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G}

project_version() { sed -nE 's/^project\(.* VERSION ([0-9.]+).*/\1/p' "$project/CMakeLists.txt"; }

# duration SECONDS: "42 s", "3 min 07 s"
duration() {
  if (($1 < 60)); then printf '%d s' "$1"; else printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); fi
}

# step TITLE COMMAND...: runs COMMAND with its output in a log of its own, on one line that says how it went. After a
# failure the end of the log is shown too, without the tests that passed. COMMAND gets no input.
step() {
  local title=$1 begin=$SECONDS ticker='' result=0
  shift
  step_log=$logs/$(tr -cs 'a-z0-9\n' '-' <<<"${title%% (*}").log
  printf '  %-42s ' "$title"
  if [[ -t 1 ]]; then
    follow_step "$title" "$step_log" &
    ticker=$!
  fi
  "$@" >"$step_log" 2>&1 </dev/null || result=$?
  if [[ $ticker ]]; then
    kill "$ticker"
    wait "$ticker" 2>/dev/null || true
    printf '\r\e[K  %-42s ' "$title"
  fi
  if ((result == 0)); then
    printf 'done in %s\n' "$(duration $((SECONDS - begin)))"
  else
    printf 'FAILED after %s; from %s:\n' "$(duration $((SECONDS - begin)))" "${step_log#"$project/"}"
    grep -vE '^ +Start +[0-9]+: | Passed +[0-9.]+ sec$' "$step_log" | tail -n 100 | sed 's/^/    /'
  fi
  return "$result"
}

# On a terminal: how long a step runs, and how far it says it is ("12/87").
follow_step() {
  local begin=$SECONDS
  while sleep 1 && kill -0 $$; do
    printf '\r\e[K  %-42s %s  %s' "$1" "$(duration $((SECONDS - begin)))" \
      "$(tail -n 5 "$2" 2>/dev/null | grep -oE '^\[?[0-9 ]+/[0-9]+' | tail -n 1 | tr -d '[ ')"
  done
}

# configure FOLDER [OPTION...]: CMake with the project's compiler and ccache.
configure() {
  cmake -S "$project" -B "$1" -G Ninja -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_CXX_COMPILER_LAUNCHER=ccache "${@:2}"
}

# count_in_report FILE ATTRIBUTE: a number of JUnit's XML, such as `tests` or `failures`, of the test suite as a whole.
count_in_report() { head -c 2000 "$1" | grep -oE "\b$2=\"[0-9]+\"" | head -n 1 | grep -oE '[0-9]+'; }
