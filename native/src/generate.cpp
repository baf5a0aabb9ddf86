#include "generate.hpp"

#include <new>

#include "errors.hpp"

namespace ct {
namespace {

constexpr uint64_t spacing =
    8;  // cells between lattice nodes; a power of two, so fractions are exact

/// The value number `index` of SplitMix64 seeded with `seed`.
/// Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014).
uint64_t split_mix(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

double mix(double a, double b, double t) {
  return a + (b - a) * t;
}

}  // namespace

ArrayInfo generated_info(const GenerateSpec& spec) {
  ArrayInfo info;
  info.shape = {spec.size, spec.size, spec.size};
  return info;
}

FieldGenerator::FieldGenerator(const GenerateSpec& spec)
    : spec_(spec), nodes_(spec.size / spacing + 2) {}

double FieldGenerator::lattice(uint64_t z, uint64_t y, uint64_t x) const {
  const uint64_t bits = split_mix(spec_.seed, (z * nodes_ + y) * nodes_ + x);
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

void FieldGenerator::plane(uint64_t z, double* out) const {
  const uint64_t kz = z / spacing;
  const double tz = static_cast<double>(z % spacing) / static_cast<double>(spacing);
  // The lattice plane at this z: interpolated along z first, then y, then x.
  std::vector<double> nodes(nodes_ * nodes_);
  for (uint64_t y = 0; y < nodes_; ++y) {
    for (uint64_t x = 0; x < nodes_; ++x) {
      nodes[y * nodes_ + x] = mix(lattice(kz, y, x), lattice(kz + 1, y, x), tz);
    }
  }
  std::vector<double> row(nodes_);
  for (uint64_t y = 0; y < spec_.size; ++y) {
    const double ty = static_cast<double>(y % spacing) / static_cast<double>(spacing);
    const double* below = nodes.data() + y / spacing * nodes_;
    for (uint64_t x = 0; x < nodes_; ++x) row[x] = mix(below[x], below[x + nodes_], ty);
    for (uint64_t x = 0; x < spec_.size; ++x) {
      const double tx = static_cast<double>(x % spacing) / static_cast<double>(spacing);
      *out++ = mix(row[x / spacing], row[x / spacing + 1], tx);
    }
  }
}

std::vector<double> generate_field(const GenerateSpec& spec) {
  try {
    std::vector<double> field(spec.size * spec.size * spec.size);
    const FieldGenerator generator(spec);
    for (uint64_t z = 0; z < spec.size; ++z)
      generator.plane(z, field.data() + z * spec.size * spec.size);
    return field;
  } catch (const std::bad_alloc&) {
    throw Error(Exit::io, "a generated field of size " + std::to_string(spec.size) +
                              " does not fit into memory: use 'generate' and compress its file");
  }
}

}  // namespace ct
