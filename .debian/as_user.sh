# What .ci/deb runs in a clean chroot that has the packages in /root: each must work.
cd /root
apt-get update
apt-get install -y --no-install-recommends ./planish_*.deb
planish --version
planish -c 'method astro beta=3e-4; method gptq bits=3; solve all; perplexity which=after windows=4;
            plot histogram 1.q_proj file=/root/histogram.png'
test -s /root/histogram.png
man --warnings planish >/root/planish.txt
grep -q calibrate /root/planish.txt

apt-get install -y --no-install-recommends ./planish-mpi_*.deb
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpirun --oversubscribe -n 2 planish-mpi --status /root/status -c 'calibrate windows=8; method gptq bits=3; solve all'
grep -qx 0 /root/status
man --warnings planish-mpi | grep -q RANKS

apt-get install -y --no-install-recommends ./libplanish0_*.deb ./libplanish-dev_*.deb ./python3-planish*.deb gcc libc6-dev \
    pkgconf
cc -Wall -Werror /usr/share/doc/libplanish-dev/examples/example.c -o example \
    $(pkg-config --cflags --libs planish)
./example
python3 -c '
import numpy as np, planish
x = np.random.default_rng(0).standard_normal((600, 64)).astype(np.float32)
w = x[:32].copy()
flat, report = planish.astro(w, planish.Site(x), beta=1e-3)
print(planish.kernels(), "kernels, gap", report["gap"])
assert report["gap"] < 1e-3'
apt-get purge -y planish planish-mpi libplanish-dev python3-planish libplanish0
test ! -e /usr/share/planish
