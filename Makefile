# A thin front on the CMake presets. `make demo` and `make test` set up what they need.
.PHONY: package mpi hosts slurm demo build test check bench format install deps deps-test clean spark sanitize asan tsan clang fuzz memory

JOBS ?= $(shell nproc)
BUILD = build
DUCKDB = $(BUILD)/deps/duckdb

build: deps            ## the program: build/quern
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) -- --quiet

demo: build            ## generate data, then the main job on it, shown as it runs
	@examples/demo.sh $(BUILD)/quern

test: deps deps-test   ## everything that a plain machine can run
	@cmake --preset test >/dev/null
	@cmake --build --preset test -j $(JOBS) -- --quiet
	@tests/run.sh $(BUILD) --label-exclude '^(spark|mpi|hosts|memory|slurm|airflow|fuzz)$$'

spark: deps deps-test  ## label spark: needs a JVM; installs PySpark into its own environment
	@packaging/install.sh spark
	@cmake --preset test >/dev/null && cmake --build --preset test -j $(JOBS) -- --quiet
	@tests/run.sh $(BUILD) -L '^spark$$'

mpi: deps deps-test    ## label mpi: workers over Open MPI and MPICH, which it installs
	@packaging/install.sh mpi
	@cmake --preset test >/dev/null && cmake --build --preset test -j $(JOBS) -- --quiet
	@tests/run.sh $(BUILD) -L '^mpi$$'

slurm: deps deps-test  ## label slurm: the sbatch script on a Slurm of three nodes, which it installs and starts as root
	@packaging/install.sh slurm
	@cmake --preset test >/dev/null && cmake --build --preset test -j $(JOBS) -- --quiet
	@tests/run.sh $(BUILD) -L '^slurm$$'

hosts: deps deps-test  ## label hosts: workers on hosts that are network namespaces, which takes root; QN_KILLS=50 for more kills
	@packaging/install.sh mpi hosts
	@cmake --preset test >/dev/null && cmake --build --preset test -j $(JOBS) -- --quiet
	@tests/run.sh $(BUILD) -L '^hosts$$'

memory: deps deps-test ## label memory: data of several times the budget in a memory cgroup, which takes root
	@cmake --preset test >/dev/null && cmake --build --preset test -j $(JOBS) -- --quiet
	@tests/run.sh $(BUILD) -L '^memory$$'

sanitize:              ## asan and tsan, the second also where the first fails
	@$(MAKE) --no-print-directory --keep-going asan tsan

asan: deps deps-test   ## unit and command tests under ASan+UBSan
	@packaging/install.sh dev
	@cmake --preset asan >/dev/null && cmake --build --preset asan -j $(JOBS) -- --quiet
	@tests/run.sh build-asan -L '^(unit|cli)$$'

# These take minutes there and try formats, numbers and deaths; the threads below them have tests of their own.
NO_TSAN = als_bytes|als_movielens|als_dir|forest_dir|kmeans_dir|loaded
tsan: deps deps-test   ## unit tests under TSan
	@packaging/install.sh dev
	@cmake --preset tsan >/dev/null && cmake --build --preset tsan -j $(JOBS) -- --quiet
	@tests/run.sh build-tsan -L '^unit$$' -E '^($(NO_TSAN))_test$$'

clang: deps deps-test  ## unit tests of a clang build, and its models beside the gcc build's
	@packaging/install.sh dev
	@cmake --preset clang >/dev/null && cmake --build --preset clang -j $(JOBS) -- --quiet
	@tests/run.sh build-clang -L '^(unit|bits)$$'

fuzz: deps             ## QN_FUZZ_SECONDS of each fuzzer
	@packaging/install.sh dev
	@cmake --preset fuzz >/dev/null && cmake --build --preset fuzz -j $(JOBS) -- --quiet
	@tests/run.sh build-fuzz -j 2 -L '^fuzz$$'

check: deps deps-test  ## layers, sizes, formatting, static analysis
	@packaging/install.sh dev
	@tests/check/check.sh all

bench: deps            ## benchmark programs: build-bench/bench_*
	@cmake --preset bench >/dev/null && cmake --build --preset bench -j $(JOBS) -- --quiet
	@echo "see bench/README.md"

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

install: build         ## to PREFIX (default /usr/local)
	@cmake --install $(BUILD) $(if $(PREFIX),--prefix $(PREFIX))

deps:
	@packaging/install.sh build
	@packaging/setup-duckdb.sh $(DUCKDB)

deps-test:
	@packaging/install.sh test

clean:
	@rm -rf $(BUILD) build-*

package: build         ## build/quern_VERSION_ARCH.deb and .tar.gz
	@packaging/install.sh package
	@cd $(BUILD) && cpack -G "DEB;TGZ" >/dev/null && ls quern*.deb quern*.tar.gz
