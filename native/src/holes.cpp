#include "holes.hpp"

#include <algorithm>
#include <cmath>

#include "errors.hpp"
#include "text.hpp"

namespace ct {

template <class T>
void HoleRule<T>::add(BitsOf<T> bits) {
  const bool known = std::find(sentinels_.begin(), sentinels_.end(), bits) != sentinels_.end();
  if (!non_finite_bits<T>(bits) && !known) sentinels_.push_back(bits);
}

template <class T>
HoleRule<T> HoleRule<T>::from_fill_values(const std::vector<double>& fill_values) {
  HoleRule rule;
  for (const double fill : fill_values) {
    const T value = static_cast<T>(fill);
    if (std::isfinite(fill) && !std::isfinite(value)) {
      throw Error(Exit::usage,
                  "--fill-value " + number(fill) + " does not fit float32, the type of the array");
    }
    rule.add(bits_of(value));
    if (value == T{0}) {
      rule.add(bits_of(T{0}));
      rule.add(bits_of(-T{0}));
    }
  }
  return rule;
}

template <class T>
HoleRule<T> HoleRule<T>::from_patterns(const std::vector<uint64_t>& patterns) {
  HoleRule rule;
  for (const uint64_t pattern : patterns) rule.add(static_cast<BitsOf<T>>(pattern));
  return rule;
}

template class HoleRule<float>;
template class HoleRule<double>;

}  // namespace ct
