// argv -> options -> run; the only place that turns an error into a message and an exit code.

#include <cstdio>
#include <exception>
#include <new>
#include <variant>

#include "commands.hpp"
#include "errors.hpp"
#include "output_file.hpp"

int main(int argc, char** argv) {
  try {
    const ct::Options options = ct::parse_options(argc, argv);
    ct::install_signal_handlers();
    std::visit([](const auto& chosen) { ct::run(chosen); }, options);
    return static_cast<int>(ct::Exit::ok);
  } catch (const ct::Error& error) {
    std::fprintf(stderr, "compress_task: error: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr,
                 "compress_task: error: out of memory: raise the limit or use a smaller array\n");
    return static_cast<int>(ct::Exit::io);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "compress_task: error: this is a bug: %s\n", error.what());
    return static_cast<int>(ct::Exit::io);
  }
}
