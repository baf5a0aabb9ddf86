// Wall-clock seconds, added up over many short pieces of work.
#pragma once

#include <chrono>

namespace ct {

class Stopwatch {
 public:
  /// Adds the time since construction or since the last call to `total_s`.
  void lap(double& total_s) {
    const auto now = std::chrono::steady_clock::now();
    total_s += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace ct
