#!/usr/bin/env bash
# Measures everything and writes FIGURES.md and figures.svg. Run it on a quiet machine: see README.md for what each section costs.
#
#     benches/figures.sh                   all of it
#     benches/figures.sh ratios peers      these sections anew; the others stay as they stand
set -euo pipefail
cd "$(dirname "$0")/.."

# Name, directory, command, title.
sections='
ratios           .              cargo bench -p oubliette-benches --bench ratios | Fields: thin LTO, one codegen unit
ratios-default   .              cargo bench -p oubliette-benches --profile bench-default --bench ratios | Fields: cargo'\''s default release profile
peers            benches/peers  cargo run --profile bench | Peers: thin LTO, one codegen unit
peers-default    benches/peers  cargo run --profile bench-default | Peers: cargo'\''s default release profile
service          .              cargo bench -p oubliette-benches --bench service | A web service, requests a second
groups           .              cargo bench -p oubliette-benches --bench groups | A row of eight fields, and a list of such rows
size             .              cargo bench -p oubliette-benches --bench size | Size and commits
jobs             .              cargo bench -p oubliette-benches --bench jobs | Long jobs, a page, an export
register         .              cargo bench -p oubliette-benches --bench register | The register: a sweep, an erasure
audit            .              cargo bench -p oubliette-benches --bench audit | Limits on reading, and the audit of openings
token            .              cargo bench -p oubliette-benches --bench token | Versions of the root key
threads          .              cargo bench -p oubliette-benches --bench threads | Many threads
memory           .              cargo bench -p oubliette-benches --bench memory | What is kept in memory, and its bound
machines         .              cargo bench -p oubliette-benches --bench machines | Many machines
'
names=$(awk 'NF { print $1 }' <<<"$sections")
for asked in "$@"; do
    grep -qx -- "$asked" <<<"$names" || { echo "no section $asked; there are:" $names >&2; exit 2; }
done
wanted=${*:-$names}

figures=benches/FIGURES.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A section as it stands in the file, from its mark to the next one.
kept() {
    [ ! -f $figures ] || awk -v mark="<!-- section: $1 -->" '/^<!-- section: / { here = $0 == mark } here' $figures
}

# What comes before the first section.
preface() {
    if [ $# -gt 0 ] && [ -f $figures ]; then
        awk '/^<!-- section: / { exit } { print }' $figures
        return
    fi
    cat <<TEXT
# Figures

$(rustc --version), no flags. $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores, $(uname -sr).

How it is measured, and where the time goes: [README.md](README.md). Written by \`benches/figures.sh\`.

TEXT
}

failed=
while read -r name directory rest; do
    [ -n "$name" ] || continue
    command=${rest% | *} title=${rest##* | }
    if ! grep -qF -- " $name " <<<" ${wanted//$'\n'/ } "; then
        kept "$name" >"$work/$name"
        continue
    fi
    echo "== $name" >&2
    # Building is not measuring.
    begun=$(date +%s) load=$(cut -d' ' -f1 /proc/loadavg)
    build=${command/cargo run/cargo build}
    [ "$build" != "$command" ] || build="$command --no-run"
    if (cd "$directory" && eval "$build --locked" </dev/null >&2) && built=$(date +%s) &&
        (cd "$directory" && eval "$command --locked" </dev/null) | sed 's/^### /#### /' >"$work/measured"; then
        {
            printf '<!-- section: %s -->\n## %s\n\n' "$name" "$title"
            printf '`%s`%s; %s, commit %s%s, load %s before it, %s s to measure, %s s to build.\n\n' "$command" \
                "$([ "$directory" = . ] || echo ", in $directory")" "$(date -u +%Y-%m-%d)" "$(git rev-parse --short HEAD)" \
                "$(git diff --quiet HEAD -- . ':!benches/FIGURES.md' ':!figures.svg' || echo ' and changes')" "$load" \
                "$(($(date +%s) - built))" "$((built - begun))"
            cat "$work/measured"
            echo
        } >"$work/$name"
    else
        failed="$failed $name"
        kept "$name" >"$work/$name"
    fi
done <<<"$sections"

{
    preface "$@"
    for name in $names; do cat "$work/$name"; done
} >"$work/all"
cat -s "$work/all" >$figures
[ -z "$failed" ] || { echo "failed, and left as they were:$failed" >&2; exit 1; }
benches/picture >figures.svg
