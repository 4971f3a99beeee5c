#!/bin/sh
# install-pages.sh QUERN MAN_DIR SHARE_DIR: man pages and shell completions, made by the program from its
# parameter tables.
set -eu
quern=$1
man=$2
share=$3
mkdir -p "$man" "$share/bash-completion/completions" "$share/zsh/site-functions" \
    "$share/fish/vendor_completions.d"
"$quern" man >"$man/quern.1"
# "  fit als   Fit ..." in `quern help` -> quern-fit-als.1; names are lower case words of one blank each.
"$quern" help | sed -n 's/^  \([a-z][a-z]*\( [a-z][a-z]*\)\{0,1\}\)  .*/\1/p' | while read -r command; do
    page=$(echo "$command" | tr ' ' -)
    "$quern" man "$page" >"$man/quern-$page.1"
done
"$quern" completion bash >"$share/bash-completion/completions/quern"
"$quern" completion zsh >"$share/zsh/site-functions/_quern"
"$quern" completion fish >"$share/fish/vendor_completions.d/quern.fish"
