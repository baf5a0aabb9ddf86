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
Suspects find_suspects(const ArrayView& view, const HoleRule<T>& rule, double above,
                       bool drop_pages);

/// One end of the range of the valid values.
struct Extreme {
  uint64_t count = 0;        ///< how many values are exactly that
  double width_of_rest = 0;  ///< what all other values span
};
struct Extremes {
  Extreme low;
  Extreme high;
};

/// Looks at both ends of the range. Walks through the whole array.
template <class T>
Extremes find_extremes(const ArrayView& view, const HoleRule<T>& rule, double low, double high,
                       bool drop_pages);

}  // namespace ct
