// Which cells are missing: NaN, infinities, and the declared sentinels.
#pragma once

#include <vector>

#include "bytes.hpp"

namespace ct {

template <class T>
class HoleRule {
 public:
  HoleRule() = default;
  /// Sentinels as the user gave them, rounded to T. 0 stands for both zeros. Throws Exit::usage
  /// when one does not fit T.
  static HoleRule from_fill_values(const std::vector<double>& fill_values);
  /// The bit patterns that a compressed file lists.
  static HoleRule from_patterns(const std::vector<uint64_t>& patterns);

  [[nodiscard]] bool is_hole(BitsOf<T> bits) const {
    if (non_finite_bits<T>(bits)) return true;
    for (const BitsOf<T> sentinel : sentinels_) {
      if (bits == sentinel) return true;
    }
    return false;
  }
  /// Finite sentinels only.
  [[nodiscard]] const std::vector<BitsOf<T>>& sentinels() const { return sentinels_; }

 private:
  void add(BitsOf<T> bits);
  std::vector<BitsOf<T>> sentinels_;
};

}  // namespace ct
