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
