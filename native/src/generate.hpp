// A synthetic field that every machine makes with the same bits.
#pragma once

#include <vector>

#include "options.hpp"

namespace ct {

constexpr uint64_t most_generate_size = 4096;

ArrayInfo generated_info(const GenerateSpec& spec);
/// The whole field, in C order. Throws Exit::io when it does not fit into memory.
std::vector<double> generate_field(const GenerateSpec& spec);

/// Makes the field plane by plane (the slowest index fixed).
class FieldGenerator {
 public:
  explicit FieldGenerator(const GenerateSpec& spec);
  /// Writes size × size values.
  void plane(uint64_t z, double* out) const;

 private:
  [[nodiscard]] double lattice(uint64_t z, uint64_t y, uint64_t x) const;
  GenerateSpec spec_;
  uint64_t nodes_;
};

}  // namespace ct
