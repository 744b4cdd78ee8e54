"""SLURM's commands as small scripts, as far as submitit needs them to run a job array here."""

from __future__ import annotations

from pathlib import Path

SBATCH = """\
#!/bin/bash
# Keep the submitted script, and run its tasks one after the other in the background.
if [[ -f $FOLDER/refuse ]]; then cat "$FOLDER/refuse" >&2; exit 1; fi
cp "$1" "$FOLDER/submitted.sh"
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' "$1")
run() {
  export SLURM_JOB_ID=70 SLURM_NTASKS=1 SLURM_STEP_NUM_TASKS=1 SLURM_STEP_NUM_NODES=1
  export SLURM_NNODES=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0
  if [[ -z $last ]]; then task 70; fi
  for i in $(seq 0 $last); do
    SLURM_ARRAY_JOB_ID=70 SLURM_ARRAY_TASK_ID=$i task 70_$i
  done
}
task() {
  echo "$1|RUNNING|node1" >>"$FOLDER/states"
  bash "$FOLDER/submitted.sh"
  echo "$1|COMPLETED|node1" >>"$FOLDER/states"
}
if [[ ! -f $FOLDER/full ]]; then run </dev/null >"$FOLDER/output" 2>&1 & fi
echo "Submitted batch job 70"
"""
SRUN = """\
#!/bin/bash
while [[ $1 == --* ]]; do
  case $1 in
    --output) out=$2; shift 2 ;;
    --error) err=$2; shift 2 ;;
    *) shift ;;
  esac
done
named() {
  local array="s/%A/$SLURM_ARRAY_JOB_ID/; s/%a/$SLURM_ARRAY_TASK_ID/"
  echo "$1" | sed "$array; s/%j/$SLURM_JOB_ID/; s/%t/0/"
}
exec "$@" >>"$(named "$out")" 2>>"$(named "$err")"
"""
SACCT = """\
#!/bin/bash
echo "JobID|State|NodeList"
cat "$FOLDER/states"
"""
NOTE = """\
#!/bin/bash
echo "$(basename "$0") $*" >>"$FOLDER/called"
"""


def install(folder: Path) -> Path:
    """Write the commands and return their directory.

    If ``folder`` contains a file ``full``, no job starts; if it contains ``refuse``, sbatch prints
    its text and fails. ``submitted.sh`` is the last submitted script, ``called`` lists the calls of
    scancel and scontrol.
    """
    commands = folder / "bin"
    commands.mkdir(parents=True)
    (folder / "states").touch()
    scripts = {"sbatch": SBATCH, "srun": SRUN, "sacct": SACCT, "scancel": NOTE, "scontrol": NOTE}
    for name, text in scripts.items():
        path = commands / name
        path.write_text(text.replace("$FOLDER", str(folder)))
        path.chmod(0o755)
    return commands
