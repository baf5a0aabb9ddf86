#include "array.hpp"

#include <algorithm>

#include "text.hpp"

namespace ct {

uint64_t ArrayInfo::values() const {
  uint64_t count = 1;
  for (const uint64_t length : shape) count *= length;
  return count;
}

bool ArrayInfo::operator==(const ArrayInfo& other) const {
  return dtype == other.dtype && big_endian == other.big_endian &&
         fortran_order == other.fortran_order && shape == other.shape;
}

const char* dtype_name(Dtype dtype) {
  return dtype == Dtype::float32 ? "float32" : "float64";
}

std::string describe(const ArrayInfo& info) {
  return std::string(dtype_name(info.dtype)) +
         (info.big_endian ? ", big-endian" : ", little-endian") +
         (info.fortran_order ? ", Fortran order" : ", C order") + ", shape " +
         shape_text(info.shape);
}

bool size_is_sane(const std::vector<uint64_t>& shape) {
  constexpr uint64_t most = uint64_t{1} << 57;  // values; of 8 bytes each
  uint64_t count = 1;
  for (const uint64_t length : shape) {
    if (length > most) return false;
    // A length of 0 must not hide an absurd one.
    const uint64_t factor = std::max<uint64_t>(length, 1);
    if (count > most / factor) return false;
    count *= factor;
  }
  return true;
}

uint64_t CodedShape::blocks() const {
  uint64_t count = 1;
  for (unsigned i = 0; i < dims; ++i) count *= (n[i] + 3) / 4;
  return count;
}

bool fits_zfp_header(const CodedShape& shape) {
  // zfp.h, ZFP_META_BITS: 48 bits for all lengths together.
  const uint64_t most = uint64_t{1} << (48 / shape.dims);
  return std::all_of(shape.n.begin(), shape.n.begin() + shape.dims,
                     [most](uint64_t length) { return length <= most; });
}

CodedShape coded_shape(const ArrayInfo& info, bool squeeze) {
  std::vector<uint64_t> lengths = info.shape;
  if (!info.fortran_order) std::reverse(lengths.begin(), lengths.end());
  if (squeeze) {
    lengths.erase(std::remove(lengths.begin(), lengths.end(), uint64_t{1}), lengths.end());
    if (lengths.empty()) lengths.push_back(1);
  }
  CodedShape shape;
  for (;;) {
    shape = CodedShape{};
    shape.dims = static_cast<unsigned>(lengths.size());
    std::copy(lengths.begin(), lengths.end(), shape.n.begin());
    if (lengths.size() == 1 || fits_zfp_header(shape)) return shape;
    const uint64_t slowest = lengths.back();
    lengths.pop_back();
    lengths.back() *= slowest;
  }
}

}  // namespace ct
