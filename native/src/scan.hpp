// The first walk through an array: its hash, its valid range, and where its holes are.
#pragma once

#include "array.hpp"
#include "holes.hpp"
#include "mask.hpp"

namespace ct {

struct Scan {
  uint64_t hash = 0;     ///< XXH3 of the data bytes as the input holds them
  uint64_t missing = 0;  ///< holes
  uint64_t valid = 0;
  double min = 0.0;  ///< of the valid values; 0 when there are none
  double max = 0.0;

  [[nodiscard]] double max_abs() const { return max > -min ? max : -min; }
};

template <class T>
Scan scan(const ArrayView& view, const HoleRule<T>& rule, MaskWriter& mask, bool drop_pages);

}  // namespace ct
