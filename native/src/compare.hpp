// Measuring how far decoded values are from the original ones.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "bytes.hpp"

namespace ct {

/// What is promised: bits that are the same, or errors of at most `tolerance`.
struct Promise {
  bool exact = false;
  double tolerance = 0.0;
};

class ErrorMeter {
 public:
  explicit ErrorMeter(const Promise& promise) : promise_(promise) {
    // Errors are squared in units of about the tolerance, so that nothing over- or underflows.
    if (!promise.exact) unit_ = std::clamp(promise.tolerance, 1e-300, 1e300);
  }

  /// One valid cell.
  template <class T>
  void add(T original, T decoded) {
    const double error = std::fabs(static_cast<double>(original) - static_cast<double>(decoded));
    const bool kept =
        promise_.exact ? bits_of(original) == bits_of(decoded) : error <= promise_.tolerance;
    violations_ += kept ? 0u : 1u;
    max_ = error > max_ ? error : max_;  // an infinite error stays; NaN is counted above
    const double scaled = error / unit_;
    sum_ += scaled * scaled;
    ++cells_;
  }

  /// A contiguous block of valid cells; `count` is a multiple of 4.
  template <class T>
  void add_block(const T* original, const T* decoded, std::size_t count) {
    if (promise_.exact) {
      for (std::size_t i = 0; i < count; ++i) add(original[i], decoded[i]);
      return;
    }
    double high[4] = {0, 0, 0, 0};
    double sum[4] = {0, 0, 0, 0};
    uint64_t bad[4] = {0, 0, 0, 0};
    const double inverse = 1.0 / unit_;
    for (std::size_t i = 0; i < count; i += 4) {
      for (std::size_t lane = 0; lane < 4; ++lane) {
        const double error = std::fabs(static_cast<double>(original[i + lane]) -
                                       static_cast<double>(decoded[i + lane]));
        bad[lane] += static_cast<uint64_t>(!(error <= promise_.tolerance));
        high[lane] = error > high[lane] ? error : high[lane];
        const double scaled = error * inverse;
        sum[lane] += scaled * scaled;
      }
    }
    for (std::size_t lane = 0; lane < 4; ++lane) {
      violations_ += bad[lane];
      max_ = std::max(max_, high[lane]);
      sum_ += sum[lane];
    }
    cells_ += count;
  }

  [[nodiscard]] double max_abs() const { return max_; }
  [[nodiscard]] double rmse() const {
    return cells_ == 0 ? 0.0 : std::sqrt(sum_ / static_cast<double>(cells_)) * unit_;
  }
  [[nodiscard]] uint64_t violations() const { return violations_; }
  [[nodiscard]] uint64_t cells() const { return cells_; }

 private:
  Promise promise_;
  double unit_ = 1.0;
  double max_ = 0.0;
  double sum_ = 0.0;
  uint64_t violations_ = 0;
  uint64_t cells_ = 0;
};

}  // namespace ct
