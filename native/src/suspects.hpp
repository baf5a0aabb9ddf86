// Looking for undeclared fill values, when a bound cannot be kept.
#pragma once

#include <string>
#include <vector>

#include "array.hpp"
#include "holes.hpp"

namespace ct {

struct Suspect {
  std::string value;
  uint64_t count = 0;
};

/// The different values whose magnitude exceeds a limit, the most frequent first.
struct Suspects {
  std::vector<Suspect> values;  ///< complete only if not `too_many`
  uint64_t cells = 0;
  bool too_many = false;

  /// Few values that repeat: measured data does not do that at its extremes.
  [[nodiscard]] bool look_like_fill_values() const { return !too_many && cells > values.size(); }
  /// "one value, 1e+20, fills 26 % of the field; give it as --fill-value 1e+20".
  [[nodiscard]] std::string advice(uint64_t field_cells) const;
};

/// Looks at valid values with |value| > above. Walks through the whole array.
template <class T>
Suspects find_suspects(const ArrayView& view, const HoleRule<T>& rule, double above);

/// The range of the valid values that are neither `low` nor `high`, and how often those two occur.
struct RestOfRange {
  uint64_t extremes = 0;
  uint64_t rest = 0;
  double width = 0.0;
};
template <class T>
RestOfRange rest_of_range(const ArrayView& view, const HoleRule<T>& rule, double low, double high);

}  // namespace ct
