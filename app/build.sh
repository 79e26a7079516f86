# shellcheck shell=bash
# app/build.sh -- sourced by app/run, tests/run and tests/bench/run: packages, configuring, building.
#
# The caller sets `root`, the checkout's absolute path.  Everything made lies in $root/build*; what
# apt, meson and ninja say goes to $root/build/run.log, and to stderr only when one of them fails.

say()
{
    printf 'planish: %s\n' "$*" >&2
}

# Only a person who waits wants to know for what.
say_waiting()
{
    if [[ -t 2 ]]; then say "$@"; fi
}

# Runs a command into the log; shows what it said, and fails, if it failed.
logged()
{
    local log=$root/build/run.log start status
    printf '== %s\n' "$*" >>"$log"
    start=$(stat -c %s "$log")
    "$@" >>"$log" 2>&1 </dev/null
    status=$?
    if ((status != 0)); then
        tail -c "+$((start + 1))" "$log" >&2
    fi
    return "$status"
}

# Prints the packages of the given kinds (build, test) that are not installed.
missing_packages()
{
    local kind name wanted=() installed
    while read -r kind name; do
        if [[ " $* " == *" $kind "* ]]; then wanted+=("$name"); fi
    done <"$root/app/packages.txt"
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null)
    for name in "${wanted[@]}"; do
        if [[ $'\n'$installed$'\n' != *$'\n'"$name installed"$'\n'* ]]; then echo "$name"; fi
    done
}

# Installs what is missing of the given kinds.  PACKAGES_CHANGED tells whether there was anything.
install_packages()
{
    local missing as_root=()
    PACKAGES_CHANGED=no
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        return 0 # not Debian: the build says what it lacks
    fi
    mapfile -t missing < <(missing_packages "$@")
    if ((${#missing[@]} == 0)); then return 0; fi
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null || { [[ ! -t 0 ]] && ! sudo -n true 2>/dev/null; }; then
            say "these Debian packages are missing and only root can install them:" \
                "apt-get install --no-install-recommends ${missing[*]}"
            return 1
        fi
        as_root=(sudo)
    fi
    say_waiting "installing ${#missing[@]} Debian packages: ${missing[*]}"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get -o DPkg::Lock::Timeout=300)
    if ! logged "${apt[@]}" update ||
        ! logged "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; then
        say "apt-get could not install: ${missing[*]}"
        return 1
    fi
    PACKAGES_CHANGED=yes
}

# configure FOLDER OPTION...: meson setup, from scratch unless FOLDER is whole and was configured
# from here with the same options.
configure()
{
    local folder=$1 want
    shift
    want="$root $*"
    if [[ -f $folder/build.ninja && -f $folder/.configured && $(<"$folder/.configured") == "$want" ]]
    then
        return 0
    fi
    rm -rf "$folder/meson-private" "$folder/meson-info" "$folder/build.ninja" "$folder/.configured"
    mkdir -p "$folder" && logged meson setup "$folder" "$root" "$@" &&
        printf '%s\n' "$want" >"$folder/.configured"
}

# Takes the lock of the build folder on descriptor 9 (held until it is closed).
lock_build()
{
    if ! { mkdir -p "$root/build" && : >>"$root/build/run.log" && exec 9>"$root/build/.lock"; } \
        2>/dev/null; then
        say "cannot write $root/build; copy the checkout to a folder that you may write to"
        return 1
    fi
    if ! flock -n 9; then
        say_waiting "waiting for another build to end"
        flock 9
    fi
    if (($(stat -c %s "$root/build/run.log") > 4000000)); then : >"$root/build/run.log"; fi
}
