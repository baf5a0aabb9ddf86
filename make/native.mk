# The C++ task: build, sanitizer build, benchmark, fuzzing.
PYTHON ?= .venv/bin/python
CMAKE ?= $(or $(wildcard $(dir $(PYTHON))cmake),cmake)
NATIVE_JOBS ?= 2

native/build/compress_task: native/CMakeLists.txt $(wildcard native/src/* native/cmake/*)
	$(CMAKE) -S native -B native/build -DCMAKE_BUILD_TYPE=Release
	$(CMAKE) --build native/build -j $(NATIVE_JOBS)
	@touch $@

.PHONY: native
native: native/build/compress_task ## build the C++ task into native/build

# OpenMP is looked for by zfp's package file with the C compiler, hence gcc beside clang++.
native/build-fuzz/fuzz_container: native/CMakeLists.txt $(wildcard native/src/* native/fuzz/* native/cmake/*)
	$(CMAKE) -S native -B native/build-fuzz -DCMAKE_BUILD_TYPE=RelWithDebInfo \
	  -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=clang++ -DCOMPRESS_TASK_FUZZ=ON
	$(CMAKE) --build native/build-fuzz -j $(NATIVE_JOBS)
	@touch $@

.PHONY: fuzz-native
SECONDS_TO_FUZZ = $(if $(filter command line environment,$(origin SECONDS)),$(SECONDS),1800)
fuzz-native: native/build-fuzz/fuzz_container ## fuzz decompress and info under ASan and UBSan; SECONDS=1800
	mkdir -p native/build-fuzz/corpus
	nice -n 19 native/build-fuzz/fuzz_container -max_total_time=$(SECONDS_TO_FUZZ) -max_len=8192 \
	  -artifact_prefix=native/build-fuzz/ native/build-fuzz/corpus tests/native/corpus

native/build-asan/compress_task: native/CMakeLists.txt $(wildcard native/src/* native/cmake/*)
	$(CMAKE) -S native -B native/build-asan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCOMPRESS_TASK_SANITIZE=ON
	$(CMAKE) --build native/build-asan -j $(NATIVE_JOBS)
	@touch $@

.PHONY: native-asan
native-asan: native/build-asan/compress_task ## build the C++ task with AddressSanitizer and UBSan

.PHONY: bench-native
bench-native: native ## measure compress_task against zfp's own tool; results/bench-native.json
	$(PYTHON) native/bench/bench_native.py native/build/compress_task results/bench-native.json

.PHONY: test-native
test-native: native native-asan ## tests of the C++ task, on both builds
	$(PYTHON) -m pytest -q tests/native

.PHONY: test-native-long
test-native-long: native native-asan ## the same with 4 GB arrays and thousands of examples, also under sanitizers
	COMPRESS_TASK_LONG=1 COMPRESS_TASK_EXAMPLES=3000 $(PYTHON) -m pytest -q --timeout=3600 tests/native
	COMPRESS_TASK=native/build-asan/compress_task COMPRESS_TASK_EXAMPLES=1000 $(PYTHON) -m pytest -q \
	  --timeout=3600 tests/native/test_round_trip.py tests/native/test_properties.py \
	  tests/native/test_real_fields.py tests/native/test_input.py
