#!/usr/bin/env bash
# Builds wasm/quic.wasm, the same bytes on every machine that has the same Rust and clang; with --check, only says
# whether the committed one is what comes out. Exits with 77 where the tools are missing.
#
#   crate/build.sh [--check]     needs rustc 1.95.0 with the target wasm32-wasip1, and clang 14 for ring's few C files
set -euo pipefail
cd "$(dirname "$0")"
rust=1.95.0 clang=14 target=wasm32-wasip1

missing() { echo "quic.wasm is not rebuilt: $1"; exit 77; }
command -v cargo >/dev/null && command -v rustc >/dev/null || missing "there is no Rust"
[[ $(rustc --version) == "rustc $rust "* ]] || missing "needs rustc $rust, found $(rustc --version)"
[ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || missing "rustc has no target $target"
command -v clang >/dev/null || missing "there is no clang"
[[ $(clang --version) == *"clang version $clang."* ]] || missing "needs clang $clang, found $(clang --version | head -1)"
archiver=$(command -v llvm-ar || command -v "llvm-ar-$clang" || command -v ar)

# Paths get into symbols and messages: one place for the source, whoever builds, and no word of where crates are kept.
place=/tmp/receptor-quic-build
exec 9>"$place.lock"
flock 9
rm -rf "$place"
mkdir "$place"
trap 'rm -rf "$place"' EXIT
cp -R Cargo.toml src "$place"
cp crates.lock "$place/Cargo.lock"
cd "$place"
# crates.lock is a Cargo.lock without the lines that name where crates come from: cargo itself says that.
cp Cargo.lock pinned
rm Cargo.lock
cargo generate-lockfile --quiet
source=$(grep -m1 '^source = ' Cargo.lock)
sed "/^checksum = /i $source" pinned >Cargo.lock

# For every platform: what runs at build time is of the machine, not of the target, and `metadata` wants it too.
cargo fetch --quiet --locked
crates=$(dirname "$(cargo metadata --format-version 1 --locked --offline --filter-platform "$target" |
  grep -o '"[^"]*/quinn-proto-[^"/]*/Cargo.toml"' | head -1 | tr -d '"')")
crates=$(dirname "$crates")
# The crate's own test: packet protection against the RFC's vectors.
[ "${1:-}" != --check ] || CARGO_PROFILE_TEST_OPT_LEVEL=1 cargo test --quiet --locked
export RUSTFLAGS="-C target-feature=+simd128,+bulk-memory,+sign-ext,+nontrapping-fptoint
  -C link-arg=--export=__wasm_call_ctors -C link-arg=--strip-all
  --remap-path-prefix=$crates=crates --remap-path-prefix=$place=quic"
export CC_wasm32_wasip1=clang AR_wasm32_wasip1=$archiver
export CFLAGS_wasm32_wasip1="-ffile-prefix-map=$crates=crates -ffile-prefix-map=$place=quic"
cargo build --quiet --release --locked --target "$target"
built=$place/target/$target/release/receptor_quic.wasm

cd - >/dev/null
if [ "${1:-}" = --check ]; then
  cmp "$built" ../wasm/quic.wasm
  echo "quic.wasm is what its source makes: $(sha256sum <"$built" | cut -c1-16)"
else
  mkdir -p ../wasm
  cp "$built" ../wasm/quic.wasm
  chmod 644 ../wasm/quic.wasm
fi
