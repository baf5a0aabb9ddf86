# The C++ task: build, sanitizer build, benchmark, fuzzing.
PYTHON ?= .venv/bin/python
CMAKE ?= $(if $(wildcard .venv/bin/cmake),.venv/bin/cmake,cmake)
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
