#!/usr/bin/env bash
# From a bare machine to a BLEU score: set up, prepare, train, translate, score.
#
#   bash scripts/quickstart.sh [--data cldr|multi30k] [--mirror DIR_OR_URL] [--out DIR] [fairseq-train flags]
#
# data/ and runs/ are created in --out, by default the project's directory. Run again after an
# interruption, it resumes. The last line printed is evaluate.sh's JSON object.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/scripts/environment.sh"
answer_help "$@"

data=cldr
out=$root
mirror=()
while [[ ${1:-} == --data || ${1:-} == --mirror || ${1:-} == --out ]]; do
  [[ $# -ge 2 ]] || die "$1 must be followed by a value."
  case $1 in
    --data) data=$2 ;;
    --mirror) mirror=(--mirror "$2") ;;
    --out) out=$2 ;;
  esac
  shift 2
done
case $data in
  cldr) updates=1000 ;;
  multi30k) updates=4000 ;;
  *) die "--data must be cldr or multi30k, but is '$data'." ;;
esac
[[ $data == multi30k || ${#mirror[@]} -eq 0 ]] ||
  die "--mirror must come with --data multi30k, since $data downloads nothing."
corpus=$out/data/${data}_en2de
run=$out/runs/quickstart-$data

bash "$root/scripts/setup.sh"
use_environment
bash "$root/data_prep/prepare_${data}_en2de.sh" "$corpus" ${mirror[@]+"${mirror[@]}"}

python3 -m attn_nmt.training.fairseq_train "$corpus/data-bin" --arch attn_transformer_tiny \
  --share-all-embeddings --save-dir "$run" --max-update "$updates" \
  --optimizer adam --adam-betas '(0.9, 0.98)' --lr 0.003 --lr-scheduler inverse_sqrt --warmup-updates 300 \
  --criterion label_smoothed_cross_entropy --label-smoothing 0.1 --max-tokens 3000 \
  --save-interval-updates 250 --keep-interval-updates 1 --no-epoch-checkpoints \
  --log-format simple --log-interval 50 "$@"

scores=$(bash "$root/scripts/evaluate.sh" "$run" "$corpus/data-bin")
echo
echo "Ten of the test sentences:"
paste -d '\n' <(head -n 10 "$corpus/raw/test.en") <(head -n 10 "$run/evaluation-test/hypotheses.de") \
  <(head -n 10 "$corpus/raw/test.de") |
  awk '{ split("source hypothesis reference", label, " "); i = (NR - 1) % 3 + 1
         printf "%s%-12s%s\n", i == 1 ? "\n" : "", label[i], $0 }'
echo
echo "$scores"
