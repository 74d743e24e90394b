#!/bin/sh
# Each target for so many seconds, two at a time. A finding is printed with the file that it is in.
#   fuzz/run.sh [seconds]
set -eu
cd "$(dirname "$0")"
export seconds="${1:-60}"
cargo build --release --locked

ls corpus | xargs -P 2 -I TARGET sh -c '
  # What is new goes there, and not into what is kept.
  mkdir -p target/found/TARGET
  if cargo run --quiet --release --locked --bin TARGET -- target/found/TARGET corpus/TARGET \
    -max_total_time="$seconds" -max_len=20000 -timeout=5 -rss_limit_mb=1024 -dict=dictionary \
    -artifact_prefix=finding-TARGET- >target/TARGET.log 2>&1
  then
    echo "TARGET: nothing found, $(tail -1 target/TARGET.log)"
  else
    tail -40 target/TARGET.log
    echo "TARGET: a finding, see above"
    exit 1
  fi
'
