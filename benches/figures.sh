#!/bin/sh
# Measures everything in both profiles and writes FIGURES.md. Run it on a quiet machine: half an hour, mostly building.
set -eu
cd "$(dirname "$0")/.."
out=$(mktemp)
section() { # title, directory, command
    printf '\n## %s\n\n`%s`%s\n\n' "$1" "$3" "$([ "$2" = . ] || echo ", in $2")"
    (cd "$2" && eval "$3" 2>/dev/null) | sed 's/^### /#### /'
}
{
    cat <<TEXT
# Figures

$(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD), $(rustc --version), no flags.
$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores, $(uname -sr), load $(cut -d' ' -f1 /proc/loadavg).

How it is measured, and where the time goes: [README.md](README.md). Written by \`benches/figures.sh\`.
TEXT
    section 'Thin LTO, one codegen unit' . 'cargo bench -p oubliette-benches --bench ratios'
    section "Cargo's default release profile" . 'cargo bench -p oubliette-benches --profile bench-default --bench ratios'
    section 'Peers: thin LTO, one codegen unit' benches/peers 'cargo run --profile bench'
    section "Peers: cargo's default release profile" benches/peers 'cargo run --profile bench-default'
    section 'Long jobs, a page, an export' . 'cargo bench -p oubliette-benches --bench jobs'
    section 'The register: a sweep, an erasure' . 'cargo bench -p oubliette-benches --bench register'
    section 'Limits on reading, and the audit of openings' . 'cargo bench -p oubliette-benches --bench audit'
    section 'A row of eight fields, and a list of such rows' . 'cargo bench -p oubliette-benches --bench groups'
    section 'Many machines' . 'cargo bench -p oubliette-benches --bench machines'
    section 'What is kept in memory, and its bound' . 'cargo bench -p oubliette-benches --bench memory'
    section 'Versions of the root key' . 'cargo bench -p oubliette-benches --bench token'
    section 'Size and commits: thin LTO, one codegen unit' . 'cargo bench -p oubliette-benches --bench size'
    section "Size and commits: cargo's default release profile" . 'cargo bench -p oubliette-benches --profile bench-default --bench size'
} > "$out"
mv "$out" benches/FIGURES.md
