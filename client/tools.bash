# For sourcing by the scripts of the callers: their languages' tools, installed only when absent, in the project's cache
# folder, and how the tests' counts are told.

# shellcheck source=deploy/steps.bash
source "$(dirname "${BASH_SOURCE[0]}")/../deploy/steps.bash"

# find_program VARIABLE NAME: exports the path of a built program, that of the plain build unless VARIABLE has another.
find_program() {
  export "$1=${!1:-$project/build/normal/bin/$2}"
  if [[ ! -x ${!1} ]]; then
    echo "${0#"$project/"}: there is no program '${!1}'; tests/run --only callers builds it" >&2
    return 1
  fi
}

# conclude PASSED FAILED SKIPPED: the last line, which tests/run reads.
conclude() {
  echo "$1 passed, $2 failed, $3 skipped"
  (($1 > 0 && $2 == 0))
}

# python_environment NAME REQUIREMENT...: makes the virtual environment NAME, unless it is there with the same
# requirements, and prints its folder; progress goes to standard error.
python_environment() {
  local folder=$cache/python-$1 wanted
  wanted=$(printf '%s\n' "${@:2}")
  if [[ $(cat "$folder/requirements" 2>/dev/null) != "$wanted" ]]; then
    # In $(...) a failure would end nothing by itself.
    "$project/deploy/packages" python >&2 || return
    rm -rf "$folder"
    step "python: environment $1" make_python_environment "$folder" "${@:2}" >&2 || return
    echo "$wanted" >"$folder/requirements"
  fi
  echo "$folder"
}
make_python_environment() {
  # Debian's, whose package has the module venv.
  /usr/bin/python3 -m venv "$1" && "$1/bin/pip" install --quiet --disable-pip-version-check "${@:2}"
}

# run_pytest ENVIRONMENT REPORT [ARGUMENT...]: pytest of the virtual environment, and its counts as by `conclude`.
run_pytest() {
  PYTHONDONTWRITEBYTECODE=1 timeout 10m "$1/bin/pytest" -p no:cacheprovider --junit-xml "$2" "${@:3}" || true
  local -A count
  local name
  for name in tests failures errors skipped; do count[$name]=$(count_in_report "$2" "$name"); done
  conclude $((count[tests] - count[failures] - count[errors] - count[skipped])) \
    $((count[failures] + count[errors])) "${count[skipped]}"
}

# Go that builds client/go, which asks for 1.23. Debian 12 has it beside its own.
find_go() {
  local go
  for go in "$(command -v go || true)" /usr/lib/go-1.23/bin/go; do
    if [[ -x $go ]] && go_is_new_enough "$go"; then
      echo "$go"
      return
    fi
  done
  return 1
}
go_is_new_enough() {
  local version
  version=$(GOTOOLCHAIN=local "$1" env GOVERSION)
  printf 'go1.23\n%s\n' "$version" | sort --check --version-sort 2>/dev/null
}
install_go() {
  find_go >/dev/null || "$project/deploy/packages" caller-go >&2
  local go
  if ! go=$(find_go); then
    echo 'client/go: needs Go 1.23 or later' >&2
    return 1
  fi
  # Without cgo no C compiler is needed.
  export GOTOOLCHAIN=local GOMODCACHE=$cache/go-modules GOFLAGS=-modcacherw CGO_ENABLED=0
  PATH=$(dirname "$go"):$PATH
}

# A JDK that builds client/java, which asks for 17: the folder of one.
find_jdk() {
  local javac
  for javac in "${JAVA_HOME:+$JAVA_HOME/bin/javac}" "$(command -v javac || true)" /usr/lib/jvm/*/bin/javac; do
    if [[ -x $javac && $("$javac" -version 2>&1) =~ ^javac\ ([0-9]+) ]] && ((BASH_REMATCH[1] >= 17)); then
      javac=$(readlink -f "$javac")
      echo "${javac%/bin/javac}"
      return
    fi
  done
  return 1
}
install_java() {
  { find_jdk && command -v mvn; } >/dev/null || "$project/deploy/packages" caller-java >&2
  if ! JAVA_HOME=$(find_jdk); then
    echo 'client/java: needs a JDK of Java 17 or later' >&2
    return 1
  fi
  export JAVA_HOME
}

# Node.js as client/node asks for it, and npm; both of Debian's releases have them.
install_node() {
  if ! { command -v node && command -v npm; } >/dev/null; then "$project/deploy/packages" node >&2; fi
  local version
  version=$(node --version)
  if ! printf 'v18.20\n%s\n' "$version" | sort --check --version-sort 2>/dev/null; then
    echo "client/node: needs Node.js 18.20 or later, not $version" >&2
    return 1
  fi
  # No package may run a program of its own while it is installed.
  # shellcheck disable=SC2034  # for those who source this
  npm_options=(--ignore-scripts --no-audit --no-fund --prefer-offline)
  export npm_config_update_notifier=false
}

# install_node_caller FOLDER: client/node as it would be published, and what it needs, in FOLDER/node_modules. It is built in
# FOLDER/package, a copy, so that nothing is left in the project.
install_node_caller() {
  install_node
  cp -r "$project/client/node" "$1/package"
  rm -rf "$1/package"/{node_modules,dist,*.tgz}
  (cd "$1/package" && npm ci "${npm_options[@]}" && npm run build && npm pack --silent)
  mkdir -p "$1/node_modules/ticketing-user"
  tar -xzf "$1/package"/ticketing-user-*.tgz -C "$1/node_modules/ticketing-user" --strip-components 1
  cp -r "$1/package/node_modules/." "$1/node_modules"
}
