#!/bin/bash
#SBATCH --nodes=3
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=2
#SBATCH --mem=7680M
#SBATCH --time=1-12:00:00
#SBATCH --partition=long
#SBATCH --account=lab
#SBATCH --job-name=sweep-plan
#SBATCH --ntasks-per-node=1
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --export=NONE
#SBATCH --constraint=avx512&ib

# Written by `sweep slurm`. Ray runs on every node of the job, the sweep on the first. A requeue, or submitting this script
# again, trains the points that have no row yet.
module load gcc
[ $? = 0 ] || exit 3
cd '/a b'
[ $? = 0 ] || exit 3
export PATH='/opt/a venv/bin':"$PATH"
export RAY_USAGE_STATS_ENABLED=0
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300 # seconds until all nodes must have joined: a shared disk can be slow
unset RAY_ADDRESS # Ray would prefer that cluster to this one

# Ray runs any code that reaches it, so this cluster asks for a token. It is in a file that only you can read.
export RAY_AUTH_MODE=token
export RAY_AUTH_TOKEN_PATH=${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}
unset RAY_AUTH_TOKEN
if [ ! -s "$RAY_AUTH_TOKEN_PATH" ]; then
    mkdir -p "$(dirname "$RAY_AUTH_TOKEN_PATH")"
    fresh=$(mktemp "$RAY_AUTH_TOKEN_PATH.XXXXXX")
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$fresh"
    mv -n "$fresh" "$RAY_AUTH_TOKEN_PATH" # if another job was faster, keep its token
    rm -f "$fresh"
fi
chmod 600 "$RAY_AUTH_TOKEN_PATH"

# The head is the node with this address. Not its name, because a node often resolves its own name to 127.0.1.1.
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(scontrol --oneliner show node "$first" | sed -n 's/.*NodeAddr=\([^ ]*\).*/\1/p')
address=$(getent ahostsv4 "$address" | awk 'NR == 1 {print $1}')
case "$address" in "" | 127.*) address=$(hostname -I | awk '{print $1}') ;; esac
port=$((20000 + SLURM_JOB_ID % 10000))

exit_file=$(mktemp) # on this node, which is the head
trap : TERM # Slurm also sends it to this shell, which must wait for the sweep
srun --export=ALL --cpu-bind=none --kill-on-bad-exit=0 --cpus-per-task=16 \
    '/opt/a venv/bin/python' -m cluster.submit.launcher "$exit_file" symmetric-run --address "$address:$port" --min-nodes 3 --num-gpus=2 \
    -- '/opt/a venv/bin/python' -m sweep run '/home/é/my plan.yaml' --out /scratch/out --address "$address:$port"
code=$(cat "$exit_file")
rm "$exit_file"
exit "${code:-3}" # the sweep's exit code; 3 (stopped before the end) if Ray did not start or was killed
