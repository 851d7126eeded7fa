#!/usr/bin/env bash
# Make constraints.txt anew: the exact versions that a fresh environment with every extra gets.
# Names and versions only, no addresses. Run it on purpose, then run the whole test suite.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" --quiet install ".[all,test]"
{
  echo "# Exact versions of everything planeval, its extras and its tests need; made by scripts/lock.sh"
  "$work/env/bin/pip" list --format freeze --exclude planeval --exclude pip --exclude setuptools
} > constraints.txt
