// What an array is (type, byte order, memory order, shape), and the shape zfp codes it in.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "bytes.hpp"

namespace ct {

enum class Dtype : uint8_t { float32 = 1, float64 = 2 };

struct ArrayInfo {
  Dtype dtype = Dtype::float64;
  bool big_endian = false;
  bool fortran_order = false;
  std::vector<uint64_t> shape;  ///< 1 to 4 lengths, as NumPy shows them

  [[nodiscard]] uint64_t item_bytes() const { return dtype == Dtype::float32 ? 4 : 8; }
  [[nodiscard]] uint64_t values() const;
  [[nodiscard]] uint64_t bytes() const { return values() * item_bytes(); }
  bool operator==(const ArrayInfo& other) const;
};

const char* dtype_name(Dtype dtype);
/// "float32, big-endian, C order, shape (3, 4)".
std::string describe(const ArrayInfo& info);

/// False when the number of bytes would exceed 2^60: no such file can exist.
bool size_is_sane(const std::vector<uint64_t>& shape);

/// An array's bytes in storage order, with what they mean.
struct ArrayView {
  ArrayInfo info;
  Bytes data;
};

/// The shape zfp codes, fastest-varying length first; unused lengths are 1.
struct CodedShape {
  unsigned dims = 0;
  std::array<uint64_t, 4> n{1, 1, 1, 1};

  [[nodiscard]] uint64_t values() const { return n[0] * n[1] * n[2] * n[3]; }
  [[nodiscard]] uint64_t blocks() const;
  bool operator==(const CodedShape& other) const { return dims == other.dims && n == other.n; }
};

/// The lengths from the fastest-varying to the slowest. With `squeeze`, lengths of 1 are dropped
/// (a block of 4^d values for them would be mostly padding). Where zfp's 52-bit header cannot hold
/// the lengths, the two slowest are multiplied together until it can.
CodedShape coded_shape(const ArrayInfo& info, bool squeeze);

/// True if zfp's header can hold these lengths.
bool fits_zfp_header(const CodedShape& shape);

}  // namespace ct
