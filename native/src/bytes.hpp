// Bytes as a pointer and a length (C++17 has no std::span), and byte-order-safe loads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "compress_task is written for little-endian machines"
#endif

namespace ct {

struct Bytes {
  const std::byte* data = nullptr;
  std::size_t size = 0;

  [[nodiscard]] Bytes from(std::size_t offset) const { return {data + offset, size - offset}; }
  [[nodiscard]] Bytes part(std::size_t offset, std::size_t count) const {
    return {data + offset, count};
  }
};

/// The unsigned integer as wide as the floating-point type T.
template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

inline uint32_t byte_swapped(uint32_t v) {
  return __builtin_bswap32(v);
}
inline uint64_t byte_swapped(uint64_t v) {
  return __builtin_bswap64(v);
}

template <class T>
BitsOf<T> bits_of(T value) {
  BitsOf<T> bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

template <class T>
T from_bits(BitsOf<T> bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <class T>
constexpr BitsOf<T> exponent_mask = sizeof(T) == 4 ? static_cast<BitsOf<T>>(0x7f800000u)
                                                   : static_cast<BitsOf<T>>(0x7ff0000000000000ull);

/// True for NaN and the infinities.
template <class T>
bool non_finite_bits(BitsOf<T> bits) {
  return (bits & exponent_mask<T>) == exponent_mask<T>;
}

}  // namespace ct
