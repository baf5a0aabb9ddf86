// Reading single values from an array's bytes, whatever their byte order and alignment.
#pragma once

#include "array.hpp"

namespace ct {

template <class T>
class Cells {
 public:
  explicit Cells(const ArrayView& view) : data_(view.data.data), swap_(view.info.big_endian) {}

  [[nodiscard]] BitsOf<T> bits(uint64_t index) const {
    BitsOf<T> value;
    std::memcpy(&value, data_ + index * sizeof(T), sizeof value);
    return swap_ ? byte_swapped(value) : value;
  }
  [[nodiscard]] T value(uint64_t index) const { return from_bits<T>(bits(index)); }

  /// The values in place, or null where they are byte-swapped or misaligned.
  [[nodiscard]] const T* direct() const {
    const bool aligned = reinterpret_cast<std::uintptr_t>(data_) % alignof(T) == 0;
    return swap_ || !aligned ? nullptr : reinterpret_cast<const T*>(data_);
  }

 private:
  const std::byte* data_;
  bool swap_;
};

/// Calls `function` with a value-initialised float or double, after the array's type.
template <class Function>
auto with_type(Dtype dtype, Function function) {
  return dtype == Dtype::float32 ? function(float{}) : function(double{});
}

}  // namespace ct
