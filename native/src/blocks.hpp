// Walking an array in zfp's order: blocks of 4^d values, the fastest-varying axis innermost.
#pragma once

#include <cstddef>

#include "array.hpp"

namespace ct {

/// Values in a block.
template <unsigned D>
constexpr std::size_t block_values = std::size_t{1} << (2 * D);

struct Block {
  uint64_t offset = 0;                            ///< index of its first value, in storage order
  std::array<std::size_t, 4> extent{1, 1, 1, 1};  ///< values it has along each axis, 1 to 4
  bool full = false;                              ///< it has 4 along every axis
};

template <unsigned D>
class BlockWalk {
 public:
  explicit BlockWalk(const CodedShape& shape) : n_(shape.n) {
    stride_[0] = 1;
    for (unsigned i = 1; i < 4; ++i) stride_[i] = stride_[i - 1] * n_[i - 1];
    done_ = shape.values() == 0;
  }

  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] const std::array<uint64_t, 4>& stride() const { return stride_; }

  [[nodiscard]] Block block() const {
    Block b;
    b.full = true;
    for (unsigned i = 0; i < D; ++i) {
      b.offset += at_[i] * stride_[i];
      b.extent[i] = static_cast<std::size_t>(n_[i] - at_[i] < 4 ? n_[i] - at_[i] : 4);
      b.full = b.full && b.extent[i] == 4;
    }
    return b;
  }
  void next() {
    for (unsigned i = 0; i < D; ++i) {
      at_[i] += 4;
      if (at_[i] < n_[i]) return;
      at_[i] = 0;
    }
    done_ = true;
  }
  /// All values before this index have been walked past.
  [[nodiscard]] uint64_t passed() const { return at_[D - 1] * stride_[D - 1]; }

 private:
  std::array<uint64_t, 4> n_;
  std::array<uint64_t, 4> stride_{};
  std::array<uint64_t, 4> at_{};
  bool done_ = false;
};

/// Calls `visit(index in the array, position in a contiguous block)` for every value of a block.
template <unsigned D, class Visit>
void for_each_in_block(const Block& b, const std::array<uint64_t, 4>& stride, Visit visit) {
  for (std::size_t w = 0; w < (D > 3 ? b.extent[3] : 1); ++w) {
    for (std::size_t z = 0; z < (D > 2 ? b.extent[2] : 1); ++z) {
      for (std::size_t y = 0; y < (D > 1 ? b.extent[1] : 1); ++y) {
        const uint64_t row = b.offset + y * stride[1] + z * stride[2] + w * stride[3];
        const std::size_t position = 4 * (y + 4 * (z + 4 * w));
        for (std::size_t x = 0; x < b.extent[0]; ++x) visit(row + x, position + x);
      }
    }
  }
}

}  // namespace ct
